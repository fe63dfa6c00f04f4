// Runs the compiled tests on other versions of Node, and with Deno and Bun: npm run test:runtimes -- [--ci] [--only NAME,…] [PATH-PART…]
//
// The runtimes are those of runtimes/package.json, from the npm registry; npm checks each against the hash in the lockfile there.
// They aren't dependencies of this package, and are installed when they are first needed. --only node-22,deno runs only these.
//
//   Node   all tests
//   Deno   test/runtimes/, which starts the processes itself; IN_PROCESS, with `deno test`
//   Bun    test/runtimes/, and test/crash/ with Bun for its processes; IN_PROCESS, with `bun test`
//
// With PATH-PART, only the tests whose path contains it, with Deno or Bun for the processes that they start: `--only deno test/crash`. Not all
// of these pass with Deno: docs/platforms.md.
//
// --failed-to FILE writes the names of the runtimes that failed to FILE, one per line. --listed-in FILE runs those of such a list, whatever --only is.
//
// --ci takes some four minutes on two cores, in addition to `npm test` on one version: IN_CI on all versions of Node except NOT_IN_CI,
// test/runtimes/ with Deno, and with Bun also IN_CI_WITH_BUN and IN_CI_IN_BUN.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { listTests } from './list-tests.js'
import { installRuntimes, runtimeNames, runtimeProgram } from './runtimes.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The tests that --ci runs on each version of Node: those that depend on what differs between versions. */
const IN_CI = [
  'test/runtimes/facts',
  'test/conformance/local.test',
  'test/conformance/names.test',
  'test/api/',
  'test/crash/descriptors',
  'test/crash/exit.long',
  'test/crash/exit.test',
  'test/crash/kill',
  'test/crash/lost',
  'test/crash/stop',
  'test/crash/workers',
  'test/sync/processes',
  'test/web-locks/between',
  'test/web-locks/death',
  'test/web-locks/threads',
  'test/cli/lifetime',
  'test/cli/run.test',
  'test/cli/run.long',
  'test/cli/run-waiting',
]
/** Versions that --ci leaves out: the oldest release of the version that `npm test` runs on, and those between that and the newest. */
const NOT_IN_CI = new Set(['node-20', 'node-22', 'node-24'])

/** The tests that run in Deno and Bun themselves. */
const IN_PROCESS = ['test/conformance/', 'test/core/', 'test/requests/']
const IN_CI_IN_BUN = ['test/conformance/local.test', 'test/conformance/names.test']
/** The tests whose processes run in Bun. */
const IN_CI_WITH_BUN = [
  'test/crash/contention',
  'test/crash/descriptors',
  'test/crash/exit.long',
  'test/crash/exit.test',
  'test/crash/faults.test',
  'test/crash/foreign',
  'test/crash/kill',
  'test/crash/lost',
  'test/crash/namespaces',
  'test/crash/order',
  'test/crash/stop',
  'test/crash/vanish',
  'test/crash/workers',
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ci: { type: 'boolean', default: false },
    only: { type: 'string' },
    'failed-to': { type: 'string' },
    'listed-in': { type: 'string' },
  },
})

const pinned = runtimeNames()
const only =
  values['listed-in'] === undefined
    ? values.only?.split(',')
    : readFileSync(values['listed-in'], 'utf8').trim().split('\n')
const names = only ?? pinned.filter((name) => !values.ci || !NOT_IN_CI.has(name))
for (const name of names) if (!pinned.includes(name)) fail(`no runtime '${name}': ${pinned.join(', ')}`)

try {
  installRuntimes()
} catch (error) {
  fail(error.message)
}
const results = []
for (const name of names.toSorted()) results.push(test(name))
console.log(`\n${results.map(({ line }) => line).join('\n')}`)
const failed = results.filter(({ passed }) => !passed)
if (values['failed-to'] !== undefined)
  writeFileSync(values['failed-to'], failed.map(({ name }) => `${name}\n`).join(''))
if (failed.length > 0) process.exitCode = 1

function test(name) {
  const program = runtimeProgram(name)
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  if (error !== undefined) fail(`${name} cannot be started: ${error.message}`)
  const title = { deno: '', bun: 'Bun ' }[name] ?? 'Node '
  const version = `${title}${stdout.split('\n')[0].trim()}`
  console.log(`\n=== ${version}\n`)
  const start = performance.now()
  const passed = { deno: testDeno, bun: testBun }[name]?.(program) ?? runTests(program, positionals, IN_CI)
  const seconds = Math.round((performance.now() - start) / 1000)
  return { name, passed, line: `${passed ? 'passed' : 'FAILED'}  ${version}, ${seconds} s` }
}

function testDeno(program) {
  const env = {
    SLOCKET_TEST_DENO: program,
    DENO_DIR: join(root, 'build/deno-cache'),
    DENO_NO_UPDATE_CHECK: '1',
  }
  if (positionals.length > 0)
    return runTests(process.execPath, positionals, [], { ...env, SLOCKET_TEST_CLIENTS: 'deno' })
  const passed = runTests(process.execPath, ['test/runtimes/'], ['test/runtimes/'], env)
  if (values.ci) return passed
  const folders = IN_PROCESS.map((folder) => `build/${folder}`)
  return run(program, ['test', '--allow-all', ...folders], env) && passed
}

function testBun(program) {
  const env = { SLOCKET_TEST_BUN: program, SLOCKET_TEST_CLIENTS: 'bun' }
  if (positionals.length > 0) return runTests(process.execPath, positionals, [], env)
  const parts = ['test/runtimes/', 'test/crash/']
  let passed = runTests(process.execPath, parts, ['test/runtimes/', ...IN_CI_WITH_BUN], env)
  // One process for each file, as with Node and Deno: some files fake what slocket reads when it is loaded.
  for (const file of listTests(values.ci ? IN_CI_IN_BUN : IN_PROCESS))
    passed = run(program, ['test', '--timeout', '120000', `./build/${file.replace(/\.ts$/, '.js')}`], env) && passed
  return passed
}

/** Runs the tests whose paths contain one of `parts`; with --ci, of `ciParts`. `node` is the Node that runs them. */
function runTests(node, parts, ciParts, env = {}) {
  // PATH is for programs that call `node` or `npm` by name.
  const path = `${dirname(node)}${delimiter}${process.env.PATH}`
  const chosen = positionals.length === 0 && values.ci ? ciParts : parts
  for (const part of chosen) if (!listTests([part]).length) fail(`there is no test ${part}`)
  return run(node, [join(root, 'scripts/test.js'), ...chosen], { PATH: path, ...env })
}

function run(program, parameters, env) {
  const { status } = spawnSync(program, parameters, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  return status === 0
}

function fail(message) {
  console.error(`scripts/test-runtimes.js: ${message}`)
  process.exit(1)
}
