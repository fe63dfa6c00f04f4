// Runs everything that a change must pass, one step after another: npm run test:all -- [--ci] [STEP…]
//
// Continues after a failure. At the end, it prints of each failed step the lines that name what failed, and its last lines, again; and a table of how each step ended and
// how long it took; the exit code is 1 if a step failed. STEP picks steps by name. With --ci, as in .ci/run, the longest steps run only in part.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const runtimesArePinned = process.platform === 'linux' && process.arch === 'x64'

/** How many lines of a failed step are printed again: of those that name what failed, the first; of all, the last. */
const FAILURE_LINES = 20
const TAIL_LINES = 80
/** As node:test and Bun name a test that failed. */
const FAILURE = /✖|^\(fail\)/
/** How long to wait for the last lines of a step, in ms. */
const LAST_WORDS_MS = 2000
/** The limit of a step on trial, in seconds. */
const TRIAL_SECONDS = 300
/** The limit of --ci as a whole, in seconds: a step on trial gets the rest of it, and is skipped if hardly anything is left. */
const CI_SECONDS = 1900
const LEAST_TRIAL_SECONDS = 60

/** --ci runs one half of the files of test:long and test:engines. The commit's hash decides which, so that a second run of the same commit runs the same files. */
const HALF = ['--part', `${(parseInt(commit(), 16) % 2) + 1}/2`]
/** These files always run: they check promises of docs/guarantees.md that nothing else in CI checks as well, and what each engine must show. */
const ALWAYS_LONG = [
  'api/faked-time',
  'cli/hold',
  'cli/process-start',
  'crash/downgrade',
  'crash/exit',
  'crash/faults',
  'crash/idle',
  'crash/lost',
  'crash/many',
  'crash/misuse',
  'crash/mounts',
  'crash/slice',
  'crash/steps',
  'crash/strangers',
  'crash/window',
  'package/readme',
  'web-locks/between',
  'web-locks/query',
  'web-locks/threads',
]
const ALWAYS_ENGINES = [
  'conformance',
  'etcd/faults/killed',
  'etcd/ttl',
  'exclusion',
  'keep-alive',
  'order.test',
  'postgres/faults',
  'postgres/tokens',
  'redis/clients',
  'redis/failover',
  'redis/late',
  'secrets',
]

/**
 * The steps in order, those that fail soonest first. `ci`: the parameters that --ci adds. `isTrial`: a failure is reported, but the run doesn't fail. `isOutsideCi`: --ci leaves it out, for lack of time. `hasSecondTry`: it depends on timers
 * of servers, and on kills in the middle of an operation. With --ci, a failure of the first run is reported, and a second run of what failed decides.
 */
const STEPS = [
  { name: 'lint' },
  { name: 'format:check' },
  { name: 'prose' },
  { name: 'types' },
  { name: 'build' },
  { name: 'test' },
  { name: 'test:long', ci: [...HALF, '--always', ALWAYS_LONG.join()], hasSecondTry: true },
  {
    name: 'test:runtimes',
    ci: ['--ci'],
    hasSecondTry: true,
    skip: runtimesArePinned ? undefined : 'pinned for Linux on x64 alone',
  },
  { name: 'test:tools', skip: runtimesArePinned ? undefined : 'pinned for Linux on x64 alone' },
  { name: 'test:file-systems', ci: ['--ci'] },
  { name: 'test:engines', ci: ['--ci', ...HALF, '--always', ALWAYS_ENGINES.join()], hasSecondTry: true },
  { name: 'demo' },
  { name: 'model', parameters: ['--ci'] },
  { name: 'torture', parameters: ['--seconds', '60'] },
  { name: 'bench', parameters: ['--quick'] },
  { name: 'check' },
  { name: 'api:check', before: ['npm', 'ci', '--prefix', 'docs/api', '--no-audit', '--no-fund'] },
  // On trial: it is new, and has yet to show that it never fails without a fault on machines of others.
  {
    name: 'test:windows',
    ci: ['--ci'],
    isTrial: true,
    skip: runtimesArePinned ? undefined : 'Wine is for Linux on x64 alone',
  },
  // On trial for the same reason.
  {
    name: 'test:darwin',
    isTrial: true,
    skip: process.platform === 'linux' ? undefined : 'macOS is imitated on Linux',
  },
  {
    name: 'test:containers',
    isOutsideCi: true,
    skip: process.platform === 'linux' ? undefined : 'Podman is for Linux alone',
  },
  // Needs a browser, which it installs (root, Debian).
  { name: 'docs:check', isOutsideCi: true },
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { ci: { type: 'boolean', default: false } },
})
const unknown = positionals.filter((name) => !STEPS.some((step) => step.name === name))
if (unknown.length > 0) {
  console.error(
    `scripts/test-all.js: no step ${unknown.join(', ')}; there are ${STEPS.map(({ name }) => name).join(', ')}`,
  )
  process.exit(1)
}

/** The file in which a step lists the test files (test:runtimes: the runtimes) that failed, for its second try. */
const failedFiles = join(root, 'build', `failed-${process.pid}`)
process.once('exit', () => rmSync(failedFiles, { force: true }))

const rows = []
for (const step of STEPS.filter(({ name }) => positionals.length === 0 || positionals.includes(name)))
  rows.push(await runStep(step))
for (const { name, tail } of rows.filter(({ result }) => result.startsWith('FAILED')))
  console.log(`\n=== how ${name} ended\n${tail}`)
const width = Math.max(...rows.map(({ name }) => name.length))
console.log('\n=== summary')
for (const { name, result, seconds } of rows)
  console.log(`${name.padEnd(width)}  ${String(seconds).padStart(5)} s  ${result}`)
if (rows.every(({ passed }) => passed)) console.log('all steps passed')
else process.exitCode = 1

async function runStep({
  name,
  parameters = [],
  ci = [],
  before,
  isTrial = false,
  isOutsideCi = false,
  hasSecondTry = false,
  skip,
}) {
  console.log(`\n=== ${[name, ...(values.ci ? ci : [])].join(' ')}`)
  if (isOutsideCi && values.ci) return { name, passed: true, seconds: 0, result: 'skipped: not in CI' }
  if (skip !== undefined) return { name, passed: true, seconds: 0, result: `skipped: ${skip}` }
  const start = performance.now()
  const command = ['npm', 'run', '--silent', name, '--', ...parameters, ...(values.ci ? ci : [])]
  const mayTryAgain = hasSecondTry && values.ci
  if (mayTryAgain) command.push('--failed-to', failedFiles)
  if (isTrial) {
    const leftSeconds = values.ci ? CI_SECONDS - Math.round(performance.now() / 1000) : TRIAL_SECONDS
    if (leftSeconds < LEAST_TRIAL_SECONDS) return { name, passed: true, seconds: 0, result: 'skipped: no time is left' }
    command.unshift('timeout', '-k', '10', String(Math.min(TRIAL_SECONDS, leftSeconds)))
  }
  rmSync(failedFiles, { force: true })
  const ran = before === undefined ? undefined : await run(before)
  const { passed, tail } = ran?.passed === false ? ran : await run(command)
  // There is no list if the run was interrupted.
  const isListed = existsSync(failedFiles) && statSync(failedFiles).size > 0
  if (!passed && mayTryAgain) {
    console.log(`\n=== ${name}, once more${isListed ? ': what failed' : ''}`)
    const second = await run(isListed ? [...command, '--listed-in', failedFiles] : command)
    const took = Math.round((performance.now() - start) / 1000)
    const result = second.passed ? 'FAILED at first, passed the second time' : 'FAILED twice'
    return { name, passed: second.passed, tail: `${tail}\n${second.passed ? '' : second.tail}`, seconds: took, result }
  }
  const seconds = Math.round((performance.now() - start) / 1000)
  if (!passed && isTrial) return { name, passed: true, seconds, result: 'FAILED, which is only reported', tail }
  return { name, passed, tail, seconds, result: passed ? 'passed' : 'FAILED' }
}

/** The first digits of the commit's hash; 0 without git. */
function commit() {
  const { GITHUB_SHA } = process.env
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' })
  return /^[0-9a-f]{8}/.exec(GITHUB_SHA ?? stdout ?? '')?.[0] ?? '0'
}

/** Runs a program. Returns whether it succeeded, and the lines to print again if not. Ctrl-C reaches the step as well, and ends this process right after it. */
async function run([program, ...parameters]) {
  const child = spawn(program, parameters, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const failures = new Set()
  const last = []
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    from.setEncoding('utf8').on('data', (text) => to.write(text))
    createInterface({ input: from, crlfDelay: Infinity }).on('line', (line) => {
      if (FAILURE.test(line) && failures.size < FAILURE_LINES) failures.add(line)
      last.push(line)
      if (last.length > TAIL_LINES) last.shift()
    })
  }
  const closed = once(child, 'close')
  const [status, signal] = await once(child, 'exit')
  // Processes that it left running hold its output open.
  await Promise.race([closed, sleep(LAST_WORDS_MS)])
  child.stdout.destroy()
  child.stderr.destroy()
  if (signal === 'SIGINT') process.kill(process.pid, 'SIGINT')
  return { passed: status === 0, tail: [...failures, '[…]', ...last].join('\n') }
}
