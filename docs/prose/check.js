// Checks the words of documents, comments and messages: npm run prose -- [--update] [PATH-PART…]
//
// The list of words is words.js. baseline.json says how many faults each file had when the list was made: a file may have fewer, never more, and a file that
// isn't named there none. --update writes the present numbers where they are lower. PATH-PART picks files, and prints all that is found in them.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TextlintKernel } from '@textlint/kernel'
import markdown from '@textlint/textlint-plugin-markdown'
import { wordsRule } from './rule.js'
import { sourcePlugin } from './source-plugin.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BASELINE = fileURLToPath(new URL('baseline.json', import.meta.url))
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { update: { type: 'boolean', default: false } },
})
const kernel = new TextlintKernel()
const baseline = JSON.parse(readFileSync(BASELINE, 'utf8'))
const files = [
  ...DOCUMENTS,
  ...filesIn('docs', '.md').filter((file) => !/^docs\/(?:api|site|prose)\//.test(file)),
  ...filesIn('src', '.ts'),
]
const picked = files.filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
if (picked.length === 0) fail(`no file's path contains ${positionals.join(' or ')}`)

const counts = {}
let worse = 0
for (const file of picked) {
  const found = await faultsIn(file)
  const allowed = baseline[file] ?? 0
  if (found.length > 0) counts[file] = found.length
  if (found.length > allowed) worse += 1
  if (found.length > allowed || positionals.length > 0)
    for (const { line, column, message } of found) console.log(`${file}:${line}:${column} ${message}`)
  if (found.length > allowed && allowed > 0) console.log(`${file}: ${found.length}, where there were ${allowed}`)
}
if (values.update) update()
report()

async function faultsIn(file) {
  const { messages } = await kernel.lintText(readFileSync(ROOT + file, 'utf8'), {
    filePath: file,
    ext: extname(file),
    plugins: [
      { pluginId: 'markdown', plugin: markdown.default ?? markdown },
      { pluginId: 'source', plugin: sourcePlugin },
    ],
    rules: [{ ruleId: 'words', rule: wordsRule }],
  })
  return messages
}

/** Numbers only become lower, and files that are clean or gone leave the list. */
function update() {
  const kept = Object.entries(baseline)
    .map(([file, count]) => [file, picked.includes(file) ? Math.min(count, counts[file] ?? 0) : count])
    .filter(([file, count]) => count > 0 && files.includes(file))
  writeFileSync(BASELINE, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`)
}

function report() {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const shrunk = picked.filter((file) => (counts[file] ?? 0) < (baseline[file] ?? 0))
  console.log(`${picked.length} files; ${total} faults, in ${Object.keys(counts).length} files`)
  if (shrunk.length > 0 && !values.update)
    console.log(`fewer than docs/prose/baseline.json allows: ${shrunk.join(', ')}; npm run prose -- --update`)
  if (worse > 0) fail('more faults than docs/prose/baseline.json allows: see above')
}

function filesIn(directory, extension) {
  return readdirSync(ROOT + directory, { recursive: true })
    .filter((file) => file.endsWith(extension) && !file.includes('node_modules'))
    .map((file) => `${directory}/${file.replaceAll('\\', '/')}`)
    .sort()
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
