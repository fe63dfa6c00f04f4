import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BETWEEN_PROCESSES, IN_PROCESS, specifierOf, SLOCKET } from '../contestants/index.js'
import { now } from '../clock.js'
import { run, scriptPath } from '../processes.js'
import { median, sum } from '../statistics.js'

const BENCH = fileURLToPath(new URL('..', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LIMIT_MS = 30_000
/** The cost of any package in Node, however small: finding it by its `exports`, and loading a file that does nothing. */
const EMPTY = 'an empty package (floor)'

export const weight = {
  name: 'weight',
  title: 'Import time and resident memory over bare Node, and the packed size',
  points: () => ['all'],
  contestants: () => [...BETWEEN_PROCESSES, ...IN_PROCESS, EMPTY],
  async measure({ contestant, repetition, directory, settings }) {
    const name = install(contestant, join(directory, 'node_modules'))
    const importing = useOf('import.js', join(directory, 'import.mjs'))
    const requiring = useOf('require.cjs', join(directory, 'require.cjs'))
    const imports = []
    const requires = []
    const memory = []
    for (let pair = 0; pair < settings.weight.pairs; pair += 1) {
      const bare = await importing()
      const full = await importing(name)
      imports.push(full.time - bare.time)
      memory.push(Number(full.stdout) - Number(bare.stdout))
      const bareRequire = await requiring()
      requires.push((await requiring(name)).time - bareRequire.time)
    }
    const loads = { import: median(imports), require: median(requires), rss: median(memory) / 1024 / 1024 }
    return repetition > 0 || contestant === EMPTY ? loads : { ...loads, ...(await sizes(contestant)) }
  },
  columns: [
    { metric: 'import', title: 'import', unit: 'ms', less: true },
    { metric: 'require', title: 'require', unit: 'ms', less: true },
    { metric: 'rss', title: 'resident memory', unit: 'MiB', less: true },
    { metric: 'packed', title: 'packed', unit: 'kB', less: true },
    { metric: 'all', title: 'with dependencies', unit: 'kB', less: true },
    { metric: 'packages', title: 'packages' },
  ],
  plots: [{ metric: 'import', title: 'Import time over bare Node: ms, less is better' }],
}

/** Installs a contestant as its users do, since Node needs time to find it there. Returns its name. */
function install(contestant, packages) {
  mkdirSync(packages)
  if (contestant === EMPTY) {
    writeEmpty(join(packages, 'empty'))
    return 'empty'
  }
  if (contestant === SLOCKET) {
    symlinkSync(ROOT, join(packages, SLOCKET))
    return SLOCKET
  }
  const name = specifierOf(contestant)
  symlinkSync(join(BENCH, 'node_modules', name), join(packages, name))
  return name
}

function writeEmpty(directory) {
  mkdirSync(directory)
  const exports = { import: './index.mjs', require: './index.cjs' }
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'empty', version: '1.0.0', exports }))
  for (const file of ['index.mjs', 'index.cjs']) writeFileSync(join(directory, file), '')
}

/** Returns a function that runs a script, with or without a package, and returns how long the process lived. */
function useOf(script, file) {
  copyFileSync(scriptPath(script), file)
  return async (...names) => {
    const from = now()
    const { stdout } = await run(process.execPath, [file, ...names], { timeout: LIMIT_MS })
    return { time: now() - from, stdout }
  }
}

/** The size as npm packs what is installed, in kB of 1000 bytes. */
async function sizes(contestant) {
  const directories = contestant === SLOCKET ? [ROOT] : [...dependencies(specifierOf(contestant))]
  const flags = ['--json', '--dry-run', '--ignore-scripts', '--offline']
  const { stdout } = await run('npm', ['pack', ...directories, ...flags], { cwd: ROOT, timeout: LIMIT_MS })
  const packed = JSON.parse(stdout).map(({ size }) => size / 1000)
  return { packed: packed[0], all: sum(packed), packages: packed.length }
}

/** The package, and everything that is installed for it. npm puts all of it side by side here. */
function dependencies(name, found = new Set()) {
  const directory = join(BENCH, 'node_modules', name)
  if (found.has(directory)) return found
  found.add(directory)
  const { dependencies: more = {} } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  for (const dependency of Object.keys(more)) dependencies(dependency, found)
  return found
}
