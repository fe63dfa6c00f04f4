// Runs the compiled tests: npm test -- [PATH-PART…] [--name REGEX] [--concurrency N] [--timeout SECONDS]
//
// Those that need servers are left out: scripts/test-engines.js runs them, by --engines (with --ci, without *.long.test.ts).
//
// PATH-PART picks the test files whose path contains it; without one, all are run. The list comes from test/**/*.test.ts,
// so that a stale file under build/ is never run and one that was not compiled is an error. Each file is a process of
// its own. --timeout (120) limits one test, and also the silence after the last one: see test-watchdog.js.
// --slowest N says at the end which files took longest. Without PATH-PART, *.long.test.ts are left out: npm run test:long.
// The exit code is 1 if any test fails or if none ran.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { listTests } from './list-tests.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string' },
    concurrency: { type: 'string', default: String(Math.min(8, Math.max(3, availableParallelism()))) },
    timeout: { type: 'string', default: '120' },
    slowest: { type: 'string' },
    long: { type: 'boolean', default: false },
    engines: { type: 'boolean', default: false },
    ci: { type: 'boolean', default: false },
  },
})
const concurrency = positiveInteger('--concurrency', values.concurrency)
const timeoutSeconds = positiveInteger('--timeout', values.timeout)

const files = testFiles(positionals)
if (files.length === 0) fail(`no test file's path contains ${positionals.join(' or ') || '.test.ts'}`)

// scripts/test-engines.js has started this process, as the first of a group, and has been killed.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'))
process.channel?.unref()

const watchdog = new URL(`test-watchdog.js?seconds=${timeoutSeconds}`, import.meta.url).href
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --import=${watchdog}`

// The watchdog inside a test process cannot run while that process is stuck in a synchronous call. Then nothing more is
// reported, and this limit, longer than the watchdog's, kills what is left.
const silence = new AbortController()
const silenceTimer = setTimeout(() => {
  console.error(`no test reported anything for ${2 * timeoutSeconds} s; still running: ${[...running].join(', ')}`)
  silence.abort(new Error('the test run fell silent'))
}, 2000 * timeoutSeconds)

const running = new Set()
let testsRun = 0
let failures = 0
const names = values.name === undefined ? {} : { testNamePatterns: [new RegExp(values.name)] }
const events = run({ files, concurrency, signal: silence.signal, ...names })
const isFile = (name) => files.includes(name) || files.includes(join(root, name))

for (const type of [
  'test:start',
  'test:dequeue',
  'test:complete',
  'test:pass',
  'test:fail',
  'test:stdout',
  'test:stderr',
]) {
  events.on(type, () => silenceTimer.refresh())
}
/** When each file began, and when it last reported, in ms. */
const times = new Map()
events.on('test:dequeue', ({ name, nesting }) => {
  if (nesting === 0 && isFile(name)) times.set(name, { fromMs: performance.now(), toMs: performance.now() })
})
for (const type of ['test:pass', 'test:fail']) {
  events.on(type, ({ file }) => times.has(file) && (times.get(file).toMs = performance.now()))
}
events.on('test:dequeue', ({ name, nesting }) => nesting === 0 && isFile(name) && running.add(relative(root, name)))
events.on('test:pass', (event) => {
  running.delete(relative(root, event.file ?? ''))
  if (event.skip !== undefined || event.details.type === 'suite') return
  if (!isFile(event.name)) testsRun += 1
  else if (values.name === undefined) {
    // node:test reports the file itself, as passed, if no test is in it.
    failures += 1
    console.error(`${relative(root, event.name)} has no test in it`)
  }
})
events.on('test:fail', (event) => {
  running.delete(relative(root, event.file ?? ''))
  if (event.details.type !== 'suite' && !isFile(event.name)) testsRun += 1
  if (event.todo === undefined) failures += 1
})
events.on('end', () => {
  clearTimeout(silenceTimer)
  if (testsRun === 0) console.error('no test was run')
  if (values.slowest !== undefined) process.on('exit', () => saySlowest(positiveInteger('--slowest', values.slowest)))
  if (!values.engines && positionals.length === 0)
    process.on('exit', () => console.log("the engines' tests need servers, and are apart: npm run test:engines"))
  if (testsRun === 0 || failures > 0) process.exitCode = 1
})
events.compose(new spec()).pipe(process.stdout)

function saySlowest(count) {
  const timed = [...times].map(([file, { fromMs, toMs }]) => ({ file, seconds: (toMs - fromMs) / 1000 }))
  for (const { file, seconds } of timed.sort((a, b) => b.seconds - a.seconds).slice(0, count))
    console.log(`${seconds.toFixed(1)} s ${relative(join(root, 'build'), file)}`)
}

function testFiles(parts) {
  const isLong = (source) => source.endsWith('.long.test.ts')
  const isChosen = (source) => {
    if (values.long) return isLong(source)
    // Those of engines are chosen by --ci.
    return !isLong(source) || (values.engines ? !values.ci : parts.length > 0)
  }
  const sources = listTests(parts, values).filter(isChosen)
  return sources.map((source) => {
    const compiled = join(root, 'build', source.replace(/\.ts$/, '.js'))
    if (!existsSync(compiled)) fail(`${source} is not compiled: npm run build`)
    return compiled
  })
}

function positiveInteger(option, text) {
  if (!/^[1-9]\d*$/.test(text)) fail(`${option} must be a whole number of at least 1, not ${text}`)
  return Number(text)
}

function fail(message) {
  console.error(`scripts/test.js: ${message}`)
  process.exit(1)
}
