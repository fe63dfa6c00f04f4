// Writes the table of the engines into docs/choosing.md, from their capabilities and the results of the benches: node scripts/engines-table.js [--check]
//
// It needs `npm run build`: `npm run engines:table` does both. With --check it only compares, and fails if the table is not up to date.
// Takeover comes from the newest file in bench/results/ that has it: for the local engine from `npm run bench`, for the others from
// `npm run bench:engines -- --json FILE`. What was not measured is left empty.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'

const load = async (name) => await import(new URL(`../build/src/${name}.js`, import.meta.url).href)
const { local, memory } = await load('index')
const { etcd } = await load('engines/etcd/index')
const { postgres } = await load('engines/postgres/index')
const { redis } = await load('engines/redis/index')
const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs/choosing.md')
const [BEGIN, END] = ['<!-- The table of the engines: scripts/engines-table.js -->', '<!-- The end of it -->']
/** None of these connects before its first lock. The texts say what no capability says: among whom locks work, and what happens if a server dies or fails over. */
const ENGINES = [
  { engine: local(), among: 'processes of one machine', crash: 'at once', failover: '' },
  { engine: memory(), among: 'one process', crash: '', failover: '' },
  {
    engine: postgres({ connectionString: 'postgres://localhost' }),
    among: 'users of one database',
    crash: 'at once',
    failover: 'locks are gone',
  },
  {
    engine: etcd({ endpoints: 'localhost:2379' }),
    among: 'users of one cluster',
    crash: 'after its TTL',
    failover: 'locks stay',
  },
  {
    engine: redis({ url: 'redis://localhost' }),
    among: 'users of one server or cluster',
    crash: 'after its TTL',
    failover: 'may forget locks',
  },
]
const COLUMNS = {
  engine: ({ engine }) => `\`${engine.name}()\``,
  'locks among': ({ among }) => among,
  'in order': ({ engine }) => yes(engine.capabilities.ordered),
  shared: ({ engine }) => yes(engine.capabilities.shared),
  permits: ({ engine }) => yes(engine.capabilities.permits),
  '`take`': ({ engine }) => yes(engine.capabilities.take),
  downgrade: ({ engine }) => yes(engine.capabilities.downgrade),
  recovered: ({ engine }) => yes(engine.capabilities.recovered),
  steal: ({ engine }) => yes(engine.capabilities.steal),
  'requests at once': ({ engine }) => String(engine.capabilities.places ?? 'no limit'),
  'free after a crash': ({ crash }) => crash,
  'its server fails over': ({ failover }) => failover,
  'takeover after `kill -9`, measured': ({ engine }) => takeoverOf(engine.name),
}

const text = readFileSync(page, 'utf8')
const [before, rest, after] = [...text.split(BEGIN), ''].flatMap((part) => part.split(END))
if (rest === undefined || after === undefined) throw new Error(`docs/choosing.md lacks ${BEGIN} and ${END}`)
const rows = [
  Object.keys(COLUMNS),
  Object.keys(COLUMNS).map(() => '---'),
  ...ENGINES.map((row) => Object.values(COLUMNS).map((cellOf) => cellOf(row))),
]
const table = rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const fresh = await format(`${before}${BEGIN}\n\n${table}\n\n${END}${after}`, {
  ...(await resolveConfig(page)),
  filepath: page,
})
if (!process.argv.includes('--check')) writeFileSync(page, fresh)
else if (fresh !== text) {
  console.error('docs/choosing.md is not what the engines say of themselves: npm run engines:table')
  process.exitCode = 1
}

function yes(value) {
  return value === true ? 'yes' : 'no'
}

/** As `p50 (greatest)`. */
function takeoverOf(name) {
  const results = join(root, 'bench/results')
  // The results that git keeps: quick and partial ones say nothing.
  const kept = readdirSync(results).filter((file) => /^(\d{4}-.*-node-20|engines)\.json$/.test(file))
  for (const file of kept.sort().reverse()) {
    const { cases } = JSON.parse(readFileSync(join(results, file), 'utf8'))
    const ofServer = cases[`takeover, ${name}`]?.[0]
    const metrics = name === 'local' ? cases.takeover?.all?.slocket?.at(-1)?.metrics : undefined
    const [p50, max] = ofServer === undefined ? [metrics?.p50, metrics?.max] : [ofServer['p50 ms'], ofServer['max ms']]
    if (p50 !== undefined) return `${inWords(p50)} (at most ${inWords(max)})`
  }
  return ''
}

function inWords(ms) {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`
}
