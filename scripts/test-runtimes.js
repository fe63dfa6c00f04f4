// Runs the compiled tests on other versions of Node, and with Deno and Bun: npm run test:runtimes -- [--ci] [--only NAME,…] [PATH-PART…]
//
// The runtimes are those of runtimes/package.json, from the npm registry, each checked against the hash in the lock file there;
// they are no dependencies of this package, and are installed when they are first asked for. --only node-22,deno leaves out the rest.
//
//   Node   all tests
//   Deno   test/runtimes/, which says itself what it starts; IN_PROCESS, by `deno test`
//   Bun    test/runtimes/, and test/crash/ with Bun wherever that starts a process; IN_PROCESS, by `bun test`
//
// With PATH-PART, only the tests whose path contains one, with Deno or Bun wherever they start a process: `--only deno test/crash`. Not all
// of those pass with Deno: docs/platforms.md.
//
// --ci is for a run of some four minutes on two cores, beside `npm test` on one version: IN_CI on all versions of Node but NOT_IN_CI,
// test/runtimes/ with Deno, and with Bun that, IN_CI_WITH_BUN and IN_CI_IN_BUN.
import { spawnSync } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { listTests } from './list-tests.js'
import { installRuntimes, runtimeNames, runtimeProgram } from './runtimes.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What --ci runs on a version of Node: where what Node does for us differs from version to version, if anywhere. */
const IN_CI = [
  'test/runtimes/facts',
  'test/conformance/local.test',
  'test/conformance/names.test',
  'test/api/',
  'test/crash/descriptors',
  'test/crash/exit.test',
  'test/crash/kill',
  'test/crash/lost',
  'test/crash/stop',
  'test/crash/workers',
  'test/sync/processes',
  'test/web-locks/between',
  'test/web-locks/death',
  'test/cli/lifetime',
  'test/cli/run.test',
  'test/cli/run-waiting',
]
/** Not tried by --ci: the oldest release of what `npm test` has run on already, and those between that and the newest. */
const NOT_IN_CI = new Set(['node-20', 'node-22', 'node-24'])

/** The tests that Deno and Bun run themselves. */
const IN_PROCESS = ['test/conformance/', 'test/core/', 'test/requests/']
const IN_CI_IN_BUN = ['test/conformance/local.test', 'test/conformance/names.test']
/** Those whose processes are of Bun. */
const IN_CI_WITH_BUN = [
  'test/crash/contention',
  'test/crash/descriptors',
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
  options: { ci: { type: 'boolean', default: false }, only: { type: 'string' } },
})

const pinned = runtimeNames()
const names = values.only?.split(',') ?? pinned.filter((name) => !values.ci || !NOT_IN_CI.has(name))
for (const name of names) if (!pinned.includes(name)) fail(`no runtime '${name}': ${pinned.join(', ')}`)

try {
  installRuntimes()
} catch (error) {
  fail(error.message)
}
const results = []
for (const name of names.toSorted()) results.push(test(name))
console.log(`\n${results.map(({ line }) => line).join('\n')}`)
if (results.some(({ passed }) => !passed)) process.exitCode = 1

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
  return { passed, line: `${passed ? 'passed' : 'FAILED'}  ${version}, ${seconds} s` }
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
  // A process for each file, as Node and Deno have it: some fake what slocket takes as it is loaded.
  for (const file of listTests(values.ci ? IN_CI_IN_BUN : IN_PROCESS))
    passed = run(program, ['test', '--timeout', '120000', `./build/${file.replace(/\.ts$/, '.js')}`], env) && passed
  return passed
}

/** Runs the tests whose paths contain one of `parts`; with --ci, of `ciParts`. `node` is the Node that runs them. */
function runTests(node, parts, ciParts, env = {}) {
  // PATH is for what calls `node` or `npm` by name.
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
