// Runs compiled tests on an imitation of macOS on Linux: npm run test:darwin -- [PATH-PART…]
//
// The imitation is in test/darwin/: a C library, which cc compiles, and a module, both preloaded. Without PATH-PART, it runs WHOLE and CLIENTS.
// In the files of test/conformance/, the whole process is imitated; in all others, only the processes that they start. On macOS itself, nothing is imitated.
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundlePrograms } from './bundle.js'
import { listTests } from './list-tests.js'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Test files of which the whole process is imitated. */
const WHOLE = ['test/conformance/local.test', 'test/conformance/names.test']
/** Test files that start processes. */
const CLIENTS = [
  'test/crash/contention',
  'test/crash/descriptors',
  'test/crash/exit.long',
  'test/crash/exit.test',
  'test/crash/foreign',
  'test/crash/kill',
  'test/crash/linger',
  'test/crash/misuse',
  'test/crash/obstacles',
  'test/crash/order',
  'test/crash/slice',
  'test/crash/stop',
  'test/crash/touch',
  'test/crash/workers',
  'test/darwin/',
  'test/web-locks/slice',
  'test/web-locks/told',
]
/** How long one test may take, and how long one file, in seconds. */
const TEST_SECONDS = 120
const FILE_SECONDS = 300
/** How long to wait for the output of a file that has ended, in ms. */
const OUTPUT_MS = 1000
const AT_ONCE = 2

const { buildImitation, PRELOAD } = await import(new URL('../build/test/darwin/imitation.js', import.meta.url).href)

const { positionals } = parseArgs({ allowPositionals: true, options: { ci: { type: 'boolean', default: false } } })
const files = listTests(positionals.length > 0 ? positionals : [...WHOLE, ...CLIENTS])
if (files.length === 0) fail(`no test file's path contains ${positionals.join(' or ')}`)

const imitation = process.platform === 'darwin' ? undefined : buildImitation()
if (imitation !== undefined && 'missing' in imitation) fail(imitation.missing)

// Inside the repository, so that Node finds the packages that a program imports.
const programs = join(root, `build/darwin-${process.pid}`)
mkdirSync(programs)
process.once('exit', () => rmSync(programs, { recursive: true, force: true }))
await bundlePrograms(programs)

let failures = 0
const waiting = [...files]
const runOneAfterAnother = async () => {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const startMs = performance.now()
    const { problem, output } = await runFile(file)
    const seconds = Math.round((performance.now() - startMs) / 1000)
    if (problem === undefined) console.log(`✔ ${file}: ${countOf(output)}, ${seconds} s`)
    else {
      failures += 1
      console.log(`✖ ${file}: ${problem}, ${seconds} s\n${output}`)
    }
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, runOneAfterAnother))
console.log(`\n${files.length - failures} of ${files.length} files passed`)
if (failures > 0) process.exitCode = 1

async function runFile(file) {
  const watchdog = new URL(`test-watchdog.js?seconds=${TEST_SECONDS}`, import.meta.url).href
  const parameters = [...preloadsOf(file), `--import=${watchdog}`, '--test-reporter=spec']
  const child = spawn(process.execPath, [...parameters, join(root, 'build', file.replace(/\.ts$/, '.js'))], {
    cwd: root,
    env: environmentOf(file),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let problem
  const streams = [child.stdout, child.stderr]
  for (const stream of streams) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const timer = setTimeout(() => {
    problem = `it took more than ${FILE_SECONDS} s`
    child.kill('SIGKILL')
  }, FILE_SECONDS * 1000)
  let outputTimer
  // A process that the test has left behind keeps the pipes open, so 'close' doesn't come.
  child.once('exit', () => {
    outputTimer = setTimeout(() => streams.forEach((stream) => stream.destroy()), OUTPUT_MS)
  })
  const [code, signal] = await new Promise((resolve) => child.once('close', (...how) => resolve(how)))
  clearTimeout(timer)
  clearTimeout(outputTimer)
  if (code !== 0) problem ??= `it ended with ${code ?? signal}`
  return { problem, output }
}

function preloadsOf(file) {
  return imitation !== undefined && isWhole(file) ? [`--import=${PRELOAD}`] : []
}

function environmentOf(file) {
  const env = { ...process.env, SLOCKET_TEST_PROGRAMS: programs }
  if (imitation === undefined) return env
  const imitated = isWhole(file) ? { LD_PRELOAD: imitation.library } : { SLOCKET_TEST_DARWIN: imitation.library }
  return { ...env, ...imitated }
}

function isWhole(file) {
  return file.startsWith('test/conformance/')
}

function countOf(output) {
  const count = (what) => (new RegExp(`^ℹ ${what} (\\d+)$`, 'm').exec(output) ?? ['', '?'])[1]
  return `${count('pass')} passed, ${count('skipped')} skipped`
}

function fail(message) {
  console.error(`scripts/test-darwin.js: ${message}`)
  process.exit(1)
}
