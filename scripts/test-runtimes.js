// Runs the compiled tests on other versions of Node, and beside Deno: npm run test:runtimes -- [--ci] [--only NAME,…] [PATH-PART…]
//
// The runtimes are those of runtimes/package.json, from the npm registry, each checked against the hash in the lock file there;
// they are no dependencies of this package, and are installed when they are first asked for. On each version of Node all
// tests are run, or those whose path contains a PATH-PART. With Deno those in test/runtimes/, which say themselves what
// they start, and IN_DENO. --only node-22,deno leaves out the rest.
//
// --ci is for a run of some two minutes on two cores, beside `npm test` on one version: IN_CI on all but NOT_IN_CI, and test/runtimes/
// with Deno.
//
// SLOCKET_TEST_CLIENTS=deno npm run test:runtimes -- --only deno test/crash has Deno in all places where the tests of
// crashes start a process. Not all of them pass: docs/platforms.md.
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
  'test/crash/exit.',
  'test/crash/kill',
  'test/crash/lost',
  'test/crash/stop',
  'test/crash/workers',
  'test/sync/processes',
  'test/web-locks/between',
  'test/web-locks/death',
  'test/cli/lifetime',
  'test/cli/run',
]
/** Not tried by --ci: the oldest release of what `npm test` has run on already, and the one between. */
const NOT_IN_CI = new Set(['node-20', 'node-24'])

/** What Deno runs by itself, by its own `deno test`. */
const IN_DENO = ['build/test/conformance', 'build/test/core', 'build/test/requests']

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
  const isNode = name.startsWith('node-')
  const program = runtimeProgram(name)
  const node = isNode ? program : process.execPath
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  if (error !== undefined) fail(`${name} cannot be started: ${error.message}`)
  const title = isNode ? `Node ${stdout.trim()}` : stdout.split('\n')[0].trim()
  console.log(`\n=== ${title}\n`)
  const start = performance.now()
  // PATH is for what calls `node` or `npm` by name.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
  if (!isNode)
    Object.assign(env, {
      SLOCKET_TEST_DENO: program,
      DENO_DIR: join(root, 'build/deno-cache'),
      DENO_NO_UPDATE_CHECK: '1',
    })
  let passed = run(node, [join(root, 'scripts/test.js'), ...testsFor(isNode)], env)
  if (!isNode && !values.ci && positionals.length === 0)
    passed = run(program, ['test', '--allow-all', ...IN_DENO], env) && passed
  const seconds = Math.round((performance.now() - start) / 1000)
  return { passed, line: `${passed ? 'passed' : 'FAILED'}  ${title}, ${seconds} s` }
}

function run(program, parameters, env) {
  const { status } = spawnSync(program, parameters, { cwd: root, stdio: 'inherit', env })
  return status === 0
}

/** What scripts/test.js is given. */
function testsFor(isNode) {
  if (positionals.length > 0) return positionals
  if (!isNode) return ['test/runtimes/']
  if (!values.ci) return []
  for (const part of IN_CI) if (!listTests([part]).length) fail(`--ci runs ${part}, which is not there`)
  return IN_CI
}

function fail(message) {
  console.error(`scripts/test-runtimes.js: ${message}`)
  process.exit(1)
}
