// Runs compiled tests on Node for Windows, under Wine: npm run test:windows -- [--ci] [--only NAME,… | --node VERSION] [--name REGEX] [PATH-PART…]
//
// scripts/wine.sh installs what is needed (root, Debian). Without PATH-PART, it runs IN_WINDOWS; with --ci, IN_CI on the newest pinned version of Node, until
// CI_SECONDS are over: files that aren't finished by then are named, and don't count as failed.
// --node runs another version. Each file has its own process. On Windows itself, this runs the same tests with the Node that runs it.
//
// Under Wine, standard streams are files: Node for Windows hangs on pipes of Linux.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { listTests } from './list-tests.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const isWindows = process.platform === 'win32'
/** The files that --ci runs (without *.long.test.ts), the most important first: the rules of locks, exclusion, crashes, Web Locks, and what is special about Windows. */
const IN_CI = [
  'test/conformance/local.test',
  'test/windows/guard',
  'test/windows/contention',
  'test/windows/downgrade',
  'test/crash/kill.test',
  'test/crash/contention',
  'test/web-locks/steal',
  'test/conformance/names.test',
  'test/windows/',
  'test/crash/exit.test',
]
/** The files that run without PATH-PART. Single tests that can't run there say why when they skip. */
const IN_WINDOWS = [
  ...IN_CI,
  'test/api/',
  'test/compat/',
  'test/conformance/memory',
  'test/crash/downgrade',
  'test/crash/exit.long',
  'test/crash/linger',
  'test/crash/misuse',
  'test/crash/order',
  'test/crash/slice',
  'test/crash/workers',
  'test/engines/local/members/exit',
  'test/sync/calls',
  'test/sync/plain-error',
  'test/sync/thread',
  'test/web-locks/arguments',
  'test/web-locks/between',
  'test/web-locks/callback',
  'test/web-locks/death',
  'test/web-locks/query',
  'test/web-locks/slice',
  'test/web-locks/surrogates',
  'test/web-locks/threads',
  'test/web-locks/told',
]
/** Files in the directories above, and the reasons why they aren't run. docs/platforms.md says why other directories are left out. */
const LEFT_OUT = {
  'test/api/held.test': 'loses locks by removing tickets, which nobody can on Windows',
  'test/api/lock-path.test': 'needs symbolic links; test/windows/local has what applies',
  'test/compat/file-lock.test':
    'imitates a network file system by the answers of statfs, which Windows is not asked for',
  'test/compat/refused.test': 'the same',
  'test/compat/refused-beside.test': 'the same',
}
/**
 * The limits of one test, of one file, and of each wait in a test (test/helpers/until.ts), in seconds. On a busy machine, Wine may take a minute to start
 * a process.
 */
const TEST_SECONDS = 900
const FILE_SECONDS = 2700
const WAIT_SECONDS = 300
/** Less than scripts/test-all.js allows for a step on trial. */
const CI_SECONDS = 240
const AT_ONCE = 2

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ci: { type: 'boolean', default: false },
    only: { type: 'string' },
    node: { type: 'string' },
    name: { type: 'string' },
  },
})

const scratch = join(root, `build/windows-${process.pid}`)
mkdirSync(scratch, { recursive: true })
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))

const files = listTests(positionals.length > 0 ? positionals : values.ci ? IN_CI : IN_WINDOWS).filter(
  (file) =>
    positionals.length > 0 ||
    !(Object.keys(LEFT_OUT).some((part) => file.includes(part)) || (values.ci && file.endsWith('.long.test.ts'))),
)
if (files.length === 0) fail(`no test file's path contains ${positionals.join(' or ')}`)

if (values.ci) files.sort((one, other) => rank(one) - rank(other))

const lines = []
for (const { title, command, env } of runtimes()) {
  console.log(`\n=== ${title}\n`)
  const startMs = performance.now()
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const waiting = files.map((file, index) => ({ file, base: join(scratch, `${lines.length}-${index}`) }))
  const runOneAfterAnother = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const leftMs = values.ci ? CI_SECONDS * 1000 - performance.now() : Infinity
      if (leftMs <= 0) {
        console.log(`- ${next.file}: not run, no time is left`)
        continue
      }
      const result = await runFile({ ...next, command, env, leftMs })
      for (const key of Object.keys(totals)) totals[key] += result[key]
      const sign = result.failed > 0 ? '✖' : result.isCut ? '-' : '✔'
      const end = result.isCut ? ', not finished: no time is left' : ''
      console.log(`${sign} ${next.file}: ${describe(result)}, ${result.seconds} s${end}`)
      if (result.report !== '') console.log(result.report)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, runOneAfterAnother))
  if (totals.failed > 0 || totals.passed === 0) process.exitCode = 1
  lines.push(`${title}: ${describe(totals)}, ${Math.round((performance.now() - startMs) / 1000)} s`)
}
console.log(`\n${lines.join('\n')}`)

function describe({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

function runtimes() {
  if (isWindows) return [{ title: `Node ${process.version}`, command: [process.execPath], env: process.env }]
  const { status, stdout } = spawnSync(
    'bash',
    [join(root, 'scripts/wine.sh'), ...(values.node === undefined ? [] : [values.node])],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  if (status !== 0) fail('Wine or Node for Windows could not be installed: see above')
  const variables = Object.fromEntries(stdout.trim().split('\n').map(splitOnce))
  const env = { ...process.env, ...variables }
  if (values.node !== undefined)
    return [{ title: `Node ${values.node} for Windows under Wine`, command: ['wine', variables.SLOCKET_NODE], env }]
  const home = join(root, 'runtimes/windows')
  const { devDependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  const names = values.only?.split(',') ?? Object.keys(devDependencies).slice(values.ci ? -1 : 0)
  return names.map((name) => {
    const program = join(home, 'node_modules', name, 'bin/node.exe')
    if (!existsSync(program)) fail(`no runtime '${name}': ${Object.keys(devDependencies).join(', ')}`)
    return {
      title: `${devDependencies[name].replace('npm:', '')} under Wine`,
      command: ['wine', program],
      env,
    }
  })
}

function splitOnce(line) {
  const at = line.indexOf('=')
  return [line.slice(0, at), line.slice(at + 1)]
}

async function runFile({ file, base, command, env, leftMs }) {
  const startMs = performance.now()
  const [events, output] = [`${base}.events`, `${base}.output`]
  writeFileSync(events, '')
  const stream = openSync(output, 'w')
  const parameters = [
    `--import=${urlOnTarget(`test-watchdog.js?seconds=${TEST_SECONDS}`)}`,
    `--test-reporter=${urlOnTarget('test-reporter.js')}`,
    `--test-reporter-destination=${onTarget(events)}`,
    ...(values.name === undefined ? [] : [`--test-name-pattern=${values.name}`]),
    onTarget(join(root, 'build', file.replace(/\.ts$/, '.js'))),
  ]
  const [program, ...first] = command
  const child = spawn(program, [...first, ...parameters], {
    cwd: root,
    env: { SLOCKET_TEST_DEADLINE_SECONDS: String(WAIT_SECONDS), ...env },
    stdio: ['ignore', stream, stream],
  })
  let problem
  let isCut = false
  const timer = setTimeout(
    () => {
      if (leftMs < FILE_SECONDS * 1000) isCut = true
      else problem = `it took more than ${FILE_SECONDS} s`
      child.kill('SIGKILL')
    },
    Math.min(leftMs, FILE_SECONDS * 1000),
  )
  const [code, signal] = await new Promise((resolve) => child.once('exit', (...how) => resolve(how)))
  clearTimeout(timer)
  closeSync(stream)
  const result = { ...read(events, isCut), isCut, seconds: Math.round((performance.now() - startMs) / 1000) }
  if (isCut) return result
  if (result.failed === 0 && code !== 0) problem ??= `it ended with ${code ?? signal}`
  if (result.failed === 0 && result.passed + result.skipped === 0) problem ??= 'no test is in it'
  const said = readFileSync(output, 'utf8').trim()
  if (problem !== undefined) {
    result.failed += 1
    result.report += `${problem}\n`
  }
  if (result.failed > 0) result.report += said
  return result
}

/** The position in IN_CI. */
function rank(file) {
  return IN_CI.findIndex((part) => file.includes(part))
}

/** Reads a file of events. A suite fails with each of its tests, and isn't counted. If the process was ended, the last line may be cut off. */
function read(events, isCut) {
  const result = { passed: 0, failed: 0, skipped: 0, report: '' }
  const told = readFileSync(events, 'utf8').split('\n')
  for (const line of isCut ? told.slice(0, -1) : told) {
    if (line === '') continue
    const { type, data } = parse(line, result)
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details.type === 'suite') continue
    if (data.skip !== undefined) result.skipped += 1
    else if (type === 'test:pass') result.passed += 1
    else {
      result.failed += 1
      const { error } = data.details
      result.report += `  ✖ ${data.name}\n${(error?.cause?.stack ?? error?.cause?.message ?? error?.stack ?? '').replaceAll(/^/gm, '      ')}\n`
    }
  }
  return result
}

/** A line that isn't an event is a failure. */
function parse(line, result) {
  try {
    return JSON.parse(line)
  } catch {
    result.failed += 1
    result.report += `  no event: ${line.slice(0, 200)}\n`
    return { type: undefined, data: undefined }
  }
}

/** A path for Node for Windows: in Wine, drive Z is the root directory. */
function onTarget(path) {
  return isWindows ? path : `Z:${path}`
}

/** The URL of a file beside this one. */
function urlOnTarget(file) {
  const { href } = new URL(file, import.meta.url)
  return isWindows ? href : href.replace('file:///', 'file:///Z:/')
}

function fail(message) {
  console.error(`scripts/test-windows.js: ${message}`)
  process.exit(1)
}
