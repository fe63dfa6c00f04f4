// Uses the package, as it would be published, in the tools of tools/package.json: npm run test:tools -- [--only PART,…] [--list]
//
// It packs the package, installs the tarball into a project for each row of tools/rows/, and lets the row's tool compile, bundle or
// run a program of tools/programs/. The tools aren't dependencies of this package: they are installed when they are first
// needed, as pinned in tools/package-lock.json. --only jest,node-esm runs the rows whose name contains one of the parts; --list prints
// the names. docs/tools.md is the table for users.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const home = join(root, 'tools')
/** The environment without what `npm run --silent` sets, so that errors are shown. */
const FLAGS = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
const GROUPS = ['node', 'typescript', 'test-runners', 'bundlers', 'package-managers', 'overrides', 'transactions']

const { values } = parseArgs({ options: { only: { type: 'string' }, list: { type: 'boolean', default: false } } })

installTools()
const groups = await Promise.all(GROUPS.map((name) => import(`../tools/rows/${name}.js`)))
const { Project } = await import('../tools/project.js')
const rows = chooseRows(
  groups.flatMap((group) => group.rows),
  values.only,
)
if (values.list) console.log(rows.map(({ name }) => name).join('\n'))
else testRows()

function testRows() {
  const scratch = mkdtempSync(join(tmpdir(), 'slocket-tools-'))
  after(() => rmSync(scratch, { recursive: true, force: true }))
  const tarball = pack(scratch)
  const slocket = installInto(join(scratch, 'installed'), tarball)

  describe('the packed package works in', { concurrency: 2 }, () => {
    for (const { name, run } of rows) {
      test(name, async (context) => {
        const open = (options) => Project.create(join(scratch, name), { slocket, ...options })
        const start = performance.now()
        await run(open, (reason) => context.skip(reason), tarball)
        context.diagnostic(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`)
        rmSync(join(scratch, name), { recursive: true, force: true })
      })
    }
  })
}

function chooseRows(all, only) {
  if (only === undefined) return all
  const parts = only.split(',')
  for (const part of parts)
    if (!all.some(({ name }) => name.includes(part))) fail(`no row has '${part}' in its name: --list shows them`)
  return all.filter(({ name }) => parts.some((part) => name.includes(part)))
}

/** Installs the pinned versions that are missing. */
function installTools() {
  const installed = join(home, 'node_modules/.package-lock.json')
  if (existsSync(installed) && sameVersions(join(home, 'package-lock.json'), installed)) return
  console.log('> npm ci --prefix tools')
  // Prisma runs on Node 20, but depends on a package for a later version, which isn't used here.
  const { status } = spawnSync('npm', ['ci', '--prefix', home, '--engine-strict=false', ...FLAGS], { stdio: 'inherit' })
  if (status !== 0) fail('the tools could not be installed: see above')
}

/** True if what is installed has the hash of the lockfile. A package for another platform is only in the lockfile. */
function sameVersions(lockFile, installedFile) {
  const [pinned, installed] = [lockFile, installedFile].map((file) => JSON.parse(readFileSync(file, 'utf8')).packages)
  return Object.entries(pinned).every(
    ([path, { integrity, optional }]) =>
      path === '' || installed[path]?.integrity === integrity || (optional && installed[path] === undefined),
  )
}

/** Packs the package as releases do. */
function pack(directory) {
  const report = execFileSync(process.execPath, [join(root, 'scripts/pack.js'), directory])
  const [{ filename }] = JSON.parse(report)
  return join(directory, filename)
}

/** Installs the tarball alone, and returns where slocket is. */
function installInto(directory, tarball) {
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), '{ "name": "project", "private": true }')
  execFileSync('npm', ['install', '--offline', ...FLAGS, tarball], { cwd: directory })
  return join(directory, 'node_modules/slocket')
}

function fail(message) {
  console.error(`scripts/test-tools.js: ${message}`)
  process.exit(1)
}
