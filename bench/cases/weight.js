import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BETWEEN_PROCESSES, IN_PROCESS, specifierOf, SLOCKET } from '../contestants/index.js'
import { now } from '../clock.js'
import { run, scriptPath } from '../processes.js'
import { median, sum } from '../statistics.js'

const BENCH = fileURLToPath(new URL('..', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIMIT_MS = 30_000

export const weight = {
  name: 'weight',
  title: 'Import time and resident memory over bare Node, and the packed size',
  points: () => ['all'],
  contestants: () => [...BETWEEN_PROCESSES, ...IN_PROCESS],
  async measure({ contestant, repetition, settings }) {
    const specifier = specifierOf(contestant)
    const times = []
    const memory = []
    for (let pair = 0; pair < settings.weight.pairs; pair += 1) {
      const bare = await importing([])
      const full = await importing([specifier])
      times.push(full.time - bare.time)
      memory.push(full.rss - bare.rss)
    }
    const loads = { import: median(times), rss: median(memory) / 1024 / 1024 }
    return repetition > 0 ? loads : { ...loads, ...(await sizes(contestant)) }
  },
  columns: [
    { metric: 'import', title: 'import', unit: 'ms', less: true },
    { metric: 'rss', title: 'resident memory', unit: 'MiB', less: true },
    { metric: 'packed', title: 'packed', unit: 'kB', less: true },
    { metric: 'all', title: 'with dependencies', unit: 'kB', less: true },
    { metric: 'packages', title: 'packages' },
  ],
  plots: [{ metric: 'import', title: 'Import time over bare Node: ms, less is better' }],
}

/** How long such a process lives, from its start to its end. */
async function importing(specifiers) {
  const from = now()
  const { stdout } = await run(process.execPath, [scriptPath('import.js'), ...specifiers], { timeout: LIMIT_MS })
  return { time: now() - from, rss: Number(stdout) }
}

/** As npm packs what is installed, in kB of 1000 bytes. */
async function sizes(contestant) {
  const directories = contestant === SLOCKET ? [ROOT] : [...dependencies(specifierOf(contestant))]
  const flags = ['--json', '--dry-run', '--ignore-scripts', '--offline']
  const { stdout } = await run('npm', ['pack', ...directories, ...flags], { cwd: ROOT, timeout: LIMIT_MS })
  const packed = JSON.parse(stdout).map(({ size }) => size / 1000)
  return { packed: packed[0], all: sum(packed), packages: packed.length }
}

/** All that is installed for a package of bench/, itself first. npm puts all of them side by side here. */
function dependencies(name, found = new Set()) {
  const directory = join(BENCH, 'node_modules', name)
  if (found.has(directory)) return found
  found.add(directory)
  const { dependencies: more = {} } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  for (const dependency of Object.keys(more)) dependencies(dependency, found)
  return found
}
