// The runtimes that runtimes/package.json pins: other versions of Node, Deno and Bun. They come from the npm registry; npm checks each one
// against the hash in the lockfile there.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HOME = fileURLToPath(new URL('../runtimes', import.meta.url))
const PREFIX = 'node_modules/'

/** The names of all runtimes, such as `node-24`. */
export function runtimeNames() {
  return [...readLock('package-lock.json').keys()]
}

/** The path of the program of a runtime. It may not be installed yet. */
export function runtimeProgram(name) {
  if (name === 'deno') return join(HOME, PREFIX, name, 'deno')
  return join(HOME, PREFIX, name, 'bin', name === 'bun' ? 'bun' : 'node')
}

/**
 * Installs all runtimes, unless they are installed as the lockfile pins them.
 *
 * @throws Error if this isn't Linux on x64, or if npm fails.
 */
export function installRuntimes() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`the runtimes are pinned for Linux on x64 only; this is ${process.platform} on ${process.arch}`)
  }
  const pinned = readLock('package-lock.json')
  const isThere = existsSync(join(HOME, 'node_modules/.package-lock.json'))
  const installed = isThere ? readLock('node_modules/.package-lock.json') : new Map()
  if ([...pinned].every(([name, { integrity }]) => installed.get(name)?.integrity === integrity)) return
  const list = [...pinned].map(([name, { version }]) => `${name} (${version})`).join(', ')
  console.log(`> npm ci --prefix runtimes: ${list}`)
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund']
  const { status } = spawnSync('npm', ['ci', '--prefix', HOME, ...flags], { stdio: 'inherit' })
  if (status !== 0) throw new Error('npm could not install the runtimes: see above')
}

/** The entries of a lockfile, by the name under which each runtime is installed. */
function readLock(file) {
  const { packages } = JSON.parse(readFileSync(join(HOME, file), 'utf8'))
  const entries = Object.entries(packages).filter(([path]) => path.startsWith(PREFIX))
  return new Map(entries.map(([path, entry]) => [path.slice(PREFIX.length), entry]))
}
