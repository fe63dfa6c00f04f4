// Installs what the lockfile of a directory pins, unless it is there already: node scripts/install-in.js DIRECTORY
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [directory, ...others] = process.argv.slice(2)
if (directory === undefined || others.length > 0) {
  console.error('usage: node scripts/install-in.js DIRECTORY')
  process.exit(1)
}
const home = join(root, directory)
if (!isInstalled()) {
  console.log(`> npm ci --prefix ${directory}`)
  // None of these packages needs an install script.
  const { status } = spawnSync('npm', ['ci', '--prefix', home, '--ignore-scripts', '--no-audit', '--no-fund'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  process.exitCode = status ?? 1
}

/** npm records what it has installed. Packages for other platforms are optional, and aren't installed. */
function isInstalled() {
  const installedFile = join(home, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const installed = packagesOf(installedFile)
  return Object.entries(packagesOf(join(home, 'package-lock.json')))
    .filter(([path, { optional = false }]) => path !== '' && !optional)
    .every(([path, { integrity }]) => installed[path]?.integrity === integrity)
}

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}
