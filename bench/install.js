// Installs the rivals that aren't installed yet, as pinned in bench/package-lock.json.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const HOME = fileURLToPath(new URL('.', import.meta.url))
const PREFIX = 'node_modules/'

export function install() {
  const pinned = packagesOf('package-lock.json')
  const isThere = existsSync(`${HOME}node_modules/.package-lock.json`)
  const installed = isThere ? packagesOf('node_modules/.package-lock.json') : {}
  const missing = (isOptional) =>
    Object.entries(pinned).filter(
      ([path, { integrity, optional = false }]) =>
        path.startsWith(PREFIX) && optional === isOptional && installed[path]?.integrity !== integrity,
    )
  // Optional packages may have failed to build; they aren't tried again each time.
  if (missing(false).length === 0) return
  console.log('> npm ci --prefix bench')
  const flags = ['--no-audit', '--no-fund']
  const { status } = spawnSync('npm', ['ci', '--prefix', HOME, ...flags], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the rivals could not be had from the npm registry: see above')
}

/** The version of each package that bench/package.json names, by its name there; null if it isn't installed. */
export function versions() {
  const { dependencies, optionalDependencies } = readJson('package.json')
  const names = Object.keys({ ...dependencies, ...optionalDependencies }).sort()
  return Object.fromEntries(
    names.map((name) => {
      const manifest = `${PREFIX}${name}/package.json`
      return [name, existsSync(HOME + manifest) ? readJson(manifest).version : null]
    }),
  )
}

function packagesOf(file) {
  return readJson(file).packages
}

function readJson(file) {
  return JSON.parse(readFileSync(HOME + file, 'utf8'))
}
