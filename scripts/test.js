// Runs the compiled tests: npm test -- [PATH-PART…] [--name REGEX] [--concurrency N] [--timeout SECONDS]
//
// Tests that need servers are left out: scripts/test-engines.js runs them, with --engines (with --ci, without *.long.test.ts).
//
// PATH-PART picks the test files whose path contains it; without it, all are run but *.long.test.ts (npm run test:long). The list comes from
// test/**/*.test.ts, so that a stale file under build/ is never run and a file that was not compiled is an error. Each file has its own
// process. --timeout (120) limits one test, and also the silence after the last one: see test-watchdog.js. (test-file.js has its own limit,
// twice as long, for a process that is stuck in a synchronous call.)
//
// A line shows how many files are done and how many tests failed: in a terminal it is the last line, elsewhere it is printed every 15
// seconds. --slowest N lists the slowest files at the end.
//
// --part K/N runs every Nth of the chosen files, beginning with the Kth, and those whose path contains a word of --always WORD,….
// --failed-to FILE writes the names of the files that failed to FILE, one per line. --listed-in FILE runs the files of such a list,
// whatever the other options are. A file fails if one of its tests fails, or if its process does.
// The exit code is 1 if any test fails or if none ran.
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join, relative, sep } from 'node:path'
import { finished } from 'node:stream/promises'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundlePrograms, bundleTests } from './bundle.js'
import { listTests } from './list-tests.js'
import { runTestFile } from './test-file.js'

const root = fileURLToPath(new URL('..', import.meta.url))
/** How often a run without a terminal reports its progress. */
const PROGRESS_MS = 15_000
const CLEAR_LINE = '\r\x1b[K'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string' },
    concurrency: { type: 'string', default: String(Math.min(8, Math.max(4, availableParallelism()))) },
    timeout: { type: 'string', default: '120' },
    slowest: { type: 'string' },
    long: { type: 'boolean', default: false },
    engines: { type: 'boolean', default: false },
    ci: { type: 'boolean', default: false },
    part: { type: 'string', default: '1/1' },
    always: { type: 'string', default: '' },
    'failed-to': { type: 'string' },
    'listed-in': { type: 'string' },
  },
})
const concurrency = positiveInteger('--concurrency', values.concurrency)
const slowest = values.slowest === undefined ? undefined : positiveInteger('--slowest', values.slowest)
const timeoutSeconds = positiveInteger('--timeout', values.timeout)
const namePattern = values.name === undefined ? undefined : regularExpression('--name', values.name).source

const part = partOfAll('--part', values.part)

const files = testFiles(positionals)
if (files.length === 0) fail(`no test file's path contains ${positionals.join(' or ') || '.test.ts'}`)

// scripts/test-engines.js, which started this process as the first of a group, has been killed.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'))
process.channel?.unref()

const watchdog = new URL(`test-watchdog.js?seconds=${timeoutSeconds}`, import.meta.url).href
// What the test files of this run share, so that it is made once.
process.env.SLOCKET_TEST_RUN = makeRunDirectory()
/** What is started for each file. */
let bundles = new Map()
// Coverage counts the files that tsc wrote.
if (process.env.NODE_V8_COVERAGE === undefined) {
  process.env.SLOCKET_TEST_PROGRAMS = join(process.env.SLOCKET_TEST_RUN, 'programs')
  await bundlePrograms(process.env.SLOCKET_TEST_PROGRAMS)
  bundles = await bundleTests(files, join(process.env.SLOCKET_TEST_RUN, 'tests'))
}

process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${watchdog}`
// A bash whose standard input is a socket assumes that rshd has started it, and reads ~/.bashrc, unless another shell runs it (bash(1)).
process.env.SHLVL = '2'

const startMs = performance.now()
/** When each running file started, in ms; and the duration of each finished file. */
const running = new Map()
const tookMs = new Map()
let testsRun = 0
let failures = 0
/** The files that failed, with what failed besides their tests, or undefined. */
const failedFiles = new Map()

const report = new spec()
// In a terminal, the status stays below the output.
const progress = process.stdout.isTTY
  ? setInterval(() => printText(''), 1000)
  : setInterval(() => printLine(status()), PROGRESS_MS)
report.on('data', printText)
await runFiles()
clearInterval(progress)
printFailedFiles()
if (testsRun === 0) printLine('no test was run')
if (slowest !== undefined) printSlowest(slowest)
if (!values.engines && positionals.length === 0 && values['listed-in'] === undefined)
  printLine("the engines' tests need servers, and are apart: npm run test:engines")
if (process.stdout.isTTY) process.stdout.write(CLEAR_LINE)
if (values['failed-to'] !== undefined)
  writeFileSync(values['failed-to'], [...failedFiles.keys()].map((file) => `${sourceName(file)}\n`).join(''))
if (testsRun === 0 || failures > 0) process.exitCode = 1

/** Runs the files, `concurrency` at a time. Adds up the totals that each reports, and reports them at the end. */
async function runFiles() {
  const totals = new Map()
  const waiting = [...files]
  const options = { namePattern, silenceMs: 2000 * timeoutSeconds }
  const runOneAfterAnother = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      running.set(file, performance.now())
      const eventsPath = join(process.env.SLOCKET_TEST_RUN, `${tookMs.size + running.size}.events`)
      const problem = await runTestFile(bundles.get(file) ?? file, { ...options, eventsPath }, (event) => {
        const total = event.type === 'test:diagnostic' ? /^(\w+) ([\d.]+)$/.exec(event.data.message) : null
        if (total !== null) totals.set(total[1], (totals.get(total[1]) ?? 0) + Number(total[2]))
        else if (event.type !== 'test:plan' && event.type !== 'test:summary') note(file, event)
      })
      if (problem !== undefined) {
        failures += 1
        failedFiles.set(file, problem)
        printLine(`✖ ${shortName(file)}: ${problem}`)
        for (const name of ['tests', 'fail']) totals.set(name, (totals.get(name) ?? 0) + 1)
      }
      tookMs.set(file, performance.now() - running.get(file))
      running.delete(file)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, runOneAfterAnother))
  totals.set('duration_ms', performance.now() - startMs)
  for (const [name, total] of totals)
    report.write({ type: 'test:diagnostic', data: { nesting: 0, message: `${name} ${total}` } })
  // Node 22 and later list the failed tests at this event, Node 20 at the end.
  report.write({ type: 'test:summary', data: { success: failures === 0 } })
  report.end()
  await finished(report)
}

/** Counts and reports an event of a file. */
function note(file, event) {
  const { type, data } = event
  report.write(event)
  if (type !== 'test:pass' && type !== 'test:fail') return
  const isSuite = data.details.type === 'suite'
  if (!isSuite && data.skip === undefined) testsRun += 1
  // A suite fails with each of its tests.
  if (type === 'test:fail' && data.todo === undefined && data.details.error.failureType !== 'subtestsFailed') {
    failures += 1
    failedFiles.set(file, undefined)
  }
}

function printLine(text) {
  printText(`${text}\n`)
}

function printText(text) {
  if (!process.stdout.isTTY) process.stdout.write(text)
  else process.stdout.write(`${CLEAR_LINE}${text}${status().slice(0, process.stdout.columns - 1)}`)
}

function status() {
  const seconds = Math.round((performance.now() - startMs) / 1000)
  const names = [...running.keys()].map((file) => basename(file, '.test.js')).join(', ')
  return `${tookMs.size} of ${files.length} files done, ${failures} failed, ${seconds} s; running: ${names}`
}

function printSlowest(count) {
  for (const [file, ms] of [...tookMs].sort(([, a], [, b]) => b - a).slice(0, count))
    printLine(`${(ms / 1000).toFixed(1)} s ${shortName(file)}`)
}

/** At the end, since the last lines of a long run are read. */
function printFailedFiles() {
  if (failedFiles.size > 0) printLine('\n✖ failed files:')
  for (const [file, problem] of failedFiles)
    printLine(`  ${sourceName(file)}${problem === undefined ? '' : `: ${problem}`}`)
}

function shortName(file) {
  return relative(join(root, 'build'), file)
}

/** See scripts/list-tests.js. */
function sourceName(file) {
  return shortName(file).replaceAll(sep, '/').replace(/\.js$/, '.ts')
}

function testFiles(parts) {
  const isLong = (source) => source.endsWith('.long.test.ts')
  const isChosen = (source) => {
    if (values.long) return isLong(source)
    // The tests of engines are chosen by --ci.
    return !isLong(source) || (values.engines ? !values.ci : parts.length > 0)
  }
  return sourcesOf(parts, isChosen).map((source) => {
    const compiled = join(root, 'build', source.replace(/\.ts$/, '.js'))
    if (!existsSync(compiled)) fail(`${source} is not compiled: npm run build`)
    return compiled
  })
}

function sourcesOf(parts, isChosen) {
  if (values['listed-in'] === undefined) {
    const chosen = listTests(parts, values).filter(isChosen)
    const always = values.always.split(',').filter((word) => word !== '')
    for (const word of always) if (!chosen.some((source) => source.includes(word))) fail(`--always: no ${word}`)
    const isAlways = (source) => always.some((word) => source.includes(word))
    const inTurn = chosen.filter((source) => !isAlways(source))
    return chosen.filter((source) => isAlways(source) || (inTurn.indexOf(source) + 1 - part.first) % part.of === 0)
  }
  const named = readFileSync(values['listed-in'], 'utf8').trim().split('\n')
  const sources = listTests([], values)
  for (const name of named) if (!sources.includes(name)) fail(`--listed-in: there is no test file '${name}'`)
  return named
}

/** Also removes those of runs that were killed, unless they ran in another pid namespace, whose process ids mean nothing here. */
function makeRunDirectory() {
  const build = join(root, 'build')
  const namespace = pidNamespace()
  for (const name of readdirSync(build)) {
    const [, of, pid] = /^run-(\d+)-(\d+)$/.exec(name) ?? []
    if (of === namespace && !isRunning(Number(pid))) rmSync(join(build, name), { recursive: true, force: true })
  }
  const directory = join(build, `run-${namespace}-${process.pid}`)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory)
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The kernel's number of the pid namespace; 0 if there are no namespaces. */
function pidNamespace() {
  if (process.platform !== 'linux') return '0'
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))[0]
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function positiveInteger(option, text) {
  if (!/^[1-9]\d*$/.test(text)) fail(`${option} must be a whole number of at least 1, not ${text}`)
  return Number(text)
}

function partOfAll(option, text) {
  const [, first, of] = /^([1-9]\d*)\/([1-9]\d*)$/.exec(text)?.map(Number) ?? []
  if (!(first <= of)) fail(`${option} must be two numbers such as 1/2, not ${text}`)
  return { first, of }
}

function regularExpression(option, text) {
  try {
    return new RegExp(text)
  } catch (error) {
    fail(`${option}: ${error.message}`)
  }
}

function fail(message) {
  console.error(`scripts/test.js: ${message}`)
  process.exit(1)
}
