/** `slocket hold`: a lock for the rest of a script, whatever becomes of the script, of the keeper, and of `slocket hold` itself. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { identify } from '../../src/cli/process-start.ts'
import type { Ending, Running } from '../helpers/command.ts'
import { SLOCKET, untilDead, Workplace } from '../helpers/command.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import { untilStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'

const LINE = SLOCKET.join(' ')
const TELL = ['sh', '-c', 'echo mine $SLOCKET_RECOVERED']
const WAIT = 'echo pid $$; read line <fifo'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

/** Starts a script that holds `L`, continues with `rest`, and prints `pid N` first. */
async function startScript(rest: string, shell: string = 'sh'): Promise<Running> {
  const script = place.start([shell, '-c', `${LINE} hold L || exit 9; echo pid $$; ${rest}`])
  await script.says(/pid \d+/)
  return script
}

/** @param next a waiter, if there is one. */
function keeperOf(lock: string, next?: Running): number {
  const [ticket, ...others] = ticketsIn(place.path(lock)).filter(({ pid }) => pid !== next?.pid)
  assert.deepEqual(others, [])
  return ticket!.pid
}

async function isFree(lock: string): Promise<boolean> {
  return (await place.runSlocket('run', '-n', lock, 'true')).status === 0
}

/** Starts the next one in line. */
async function startNext(): Promise<Running> {
  const next = place.slocket('run', 'L', '--', ...TELL)
  await untilWaiting(place.path('L'), 1, next.pid)
  return next
}

describe('the lock is held until', () => {
  test('the script ends by itself: how is unknown, so the next holder has recovered', async () => {
    const script = await startScript('read line <fifo; exit 3')
    assert.equal(await isFree('L'), false)
    const next = await startNext()
    place.end()
    assert.equal((await script.ended()).status, 3)
    assert.equal((await next.ended()).stdout, 'mine 1\n')
    await untilGone(place.path('L'))
  })

  test('the script is killed with -9', async () => {
    const script = await startScript('read line <fifo')
    const next = await startNext()
    assert.equal(next.stdout, '')
    script.kill('SIGKILL')
    assert.equal((await next.ended()).stdout, 'mine 1\n')
  })

  test('the script releases it: the next holder has not recovered, and the script continues', async () => {
    const script = await startScript(
      `read line <fifo; ${LINE} release L; echo released $?; ${LINE} release L; echo again $?; read line <fifo`,
    )
    const keeper = keeperOf('L')
    const next = await startNext()
    place.end()
    assert.equal((await next.ended()).stdout, 'mine 0\n')
    await script.says(/released 0\nagain 1/)
    await script.complains(/process \d+ doesn't hold 'L'/)
    await untilDead(keeper)
    assert.equal(script.hasEnded, false)
    await untilGone(place.path('L'))
  })

  test('the keeper is killed with -9, although the script continues', async () => {
    const script = await startScript(`read line <fifo; ${LINE} release L; echo released $?`)
    const next = await startNext()
    process.kill(keeperOf('L', next), 'SIGKILL')
    assert.equal((await next.ended()).stdout, 'mine 1\n')
    assert.equal(script.hasEnded, false)
    place.end()
    assert.match((await script.ended()).stdout, /released 1\n$/)
  })

  test('the program ends that has replaced the script', async () => {
    const script = await startScript(`exec sh -c 'echo become $$; read line <fifo'`)
    await script.says(/become/)
    assert.equal(await isFree('L'), false)
    place.end()
    await script.ended()
    await until('it is free', () => isFree('L'))
  })

  test('and signals to the keeper do not release it', async () => {
    const script = await startScript('read line <fifo')
    const keeper = keeperOf('L')
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const)
      process.kill(keeper, signal)
    // It answers, so it has gone on since.
    const shown = await until('the keeper answers', async () => {
      const { stdout } = await place.runSlocket('status', '--json', 'L')
      const [{ held }] = JSON.parse(stdout) as [{ held: { pid: number; answers: boolean; command?: string }[] }]
      return held[0]?.answers === true && held
    })
    assert.deepEqual(
      shown.map(({ pid, command }) => [pid, command]),
      [[keeper, `slocket hold --pid ${script.pid} L`]],
    )
  })

  test('and a stopped keeper can be released', async () => {
    const script = await startScript(`read line <fifo; ${LINE} release L; echo released $?`)
    const keeper = keeperOf('L')
    process.kill(keeper, 'SIGSTOP')
    await untilStopped(keeper)
    const next = await startNext()
    place.end()
    assert.equal((await next.ended()).stdout, 'mine 0\n')
    assert.match((await script.ended()).stdout, /released 0/)
    process.kill(keeper, 'SIGCONT')
    await untilDead(keeper)
  })
})

describe('while it waits', () => {
  async function startWaiting(...options: string[]): Promise<[holder: Running, waiter: Running, keeper: number]> {
    const holder = place.slocket('run', 'L', '--', 'sh', '-c', WAIT)
    await holder.says(/pid/)
    const waiter = place.slocket('hold', ...options, 'L')
    await untilWaiting(place.path('L'), 1)
    const keeper = ticketsIn(place.path('L')).find(({ pid }) => pid !== holder.pid)!.pid
    return [holder, waiter, keeper]
  }

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
    test(`${signal} ends it, and its ticket leaves the queue`, async () => {
      const [, waiter, keeper] = await startWaiting()
      waiter.kill(signal)
      assert.equal((await waiter.ended()).signal, signal)
      await untilDead(keeper)
      assert.equal(ticketsIn(place.path('L')).length, 1)
    })
  }

  test('the end of the script ends it', async () => {
    const script = place.start(['sh', '-c', `echo pid $$; read line <fifo`])
    await script.says(/pid/)
    const [, waiter, keeper] = await startWaiting('--pid', String(script.pid))
    script.kill('SIGKILL')
    const { status, stderr } = await waiter.ended()
    assert.deepEqual([status, stderr], [71, `slocket: process ${script.pid} has ended; nothing is held\n`])
    await untilDead(keeper)
    assert.equal(ticketsIn(place.path('L')).length, 1)
  })

  test('the death of its keeper is reported, and nothing is held', async () => {
    const [, waiter, keeper] = await startWaiting()
    process.kill(keeper, 'SIGKILL')
    const { status, stderr } = await waiter.ended()
    assert.equal(status, 71)
    assert.match(stderr, /was killed; nothing is held/)
  })

  test('it reports a file at the path, and gets the lock when that is gone', async () => {
    fs.writeFileSync(place.path('L'), '')
    const waiter = place.slocket('hold', 'L')
    await waiter.complains(/^slocket: 'L' is a file: .*\n$/)
    fs.rmSync(place.path('L'))
    assert.equal((await waiter.ended()).status, 0)
    assert.equal(await isFree('L'), false)
  })
})

test('it gives up like `slocket run` does', async () => {
  await place.slocket('run', 'L', '--', 'sh', '-c', WAIT).says(/pid/)
  const words = [['-n'], ['--try', '-E', '7'], ['-w', '0.05'], ['-s', '-w', '0.05', '-E', '0'], ['-vn'], ['-p', '2']]
  // One after another: all are of one script, and a second one is refused while the first one waits.
  const endings: Ending[] = []
  for (const options of words) endings.push(await place.runSlocket('hold', ...options, 'L'))
  assert.deepEqual(
    endings.map(({ status }) => status),
    [1, 7, 1, 0, 1, 64],
  )
  assert.equal(endings[0]!.stderr, '')
  assert.equal(endings[4]!.stderr, "slocket: 'L' is not free\n")
})

test('shared scripts hold together, and so do as many as there are permits', async () => {
  const here = ['--pid', String(process.pid)]
  const sleeper = place.start(['sh', '-c', WAIT])
  await sleeper.says(/pid/)
  const there = ['--pid', String(sleeper.pid)]
  const held = await Promise.all([
    place.runSlocket('hold', '-s', ...here, 'S'),
    place.runSlocket('hold', '-s', ...there, 'S'),
    place.runSlocket('hold', '-p', '2', ...here, 'P'),
    place.runSlocket('hold', '-p', '2', ...there, 'P'),
  ])
  assert.deepEqual(
    held.map(({ status }) => status),
    [0, 0, 0, 0],
  )
  assert.equal(await isFree('S'), false)
  assert.equal((await place.runSlocket('run', '-np', '2', 'P', 'true')).status, 1)
  assert.equal((await place.runSlocket('release', ...here, 'P')).status, 0)
  assert.equal((await place.runSlocket('run', '-np', '2', 'P', 'true')).status, 0)
  // Its own is left alone.
  assert.equal((await place.runSlocket('run', '-nx', 'S', 'true')).status, 1)
  assert.equal((await place.runSlocket('release', ...here, 'S')).status, 0)
})

test('a script that already holds the lock gets an error', async () => {
  const script = await startScript(`${LINE} hold L; echo second $?; read line <fifo`)
  await script.says(/second 71/)
  assert.match(script.stderr, /already holds 'L'/)
})

describe('a parent in another session', () => {
  test('is not taken for the script', async () => {
    // Not the leader of a process group, so it becomes the leader of a session without a process between.
    const script = place.start(['sh', '-c', `setsid ${LINE} hold L; echo status $?; echo pid $$; read line <fifo`])
    assert.equal((await script.says(/status (\d+)\n/))[1], '64')
    await script.complains(/belongs to another session.*--pid PID/)
    await script.says(/pid/)
    assert.equal(await isFree('L'), true)
    place.end()
    await script.ended()
  })

  test('may be named', async () => {
    const script = place.start([
      'sh',
      '-c',
      `setsid ${LINE} hold --pid $$ L || exit 9; echo pid $$; read line <fifo; setsid ${LINE} release --pid $$ L; echo released $?`,
    ])
    await script.says(/pid/)
    assert.equal(await isFree('L'), false)
    place.end()
    assert.match((await script.ended()).stdout, /released 0/)
  })

  const withoutSubreaper = reasonWithout('python3', '-c', 'import ctypes; ctypes.CDLL(None).prctl')
  test('that adopts orphans of an ended script does not hold', { skip: withoutSubreaper }, async () => {
    const SET_CHILD_SUBREAPER = 36
    const script = `sh -c 'echo orphan $$; read line <fifo; exec ${LINE} hold L' &`
    const subreaper = `
import ctypes, subprocess, sys
ctypes.CDLL(None).prctl(${SET_CHILD_SUBREAPER}, 1, 0, 0, 0)
subprocess.run(['sh', '-c', sys.argv[1]], start_new_session=True)
print('script ended', flush=True)
sys.stdin.read()`
    const subreaping = place.start(['python3', '-c', subreaper, script])
    const orphan = Number((await subreaping.says(/orphan (\d+)/))[1])
    await subreaping.says(/script ended/)
    place.end()
    await untilDead(orphan)
    assert.equal(await isFree('L'), true)
    await subreaping.complains(/the calling script has ended/)
  })
})

test("the keeper keeps none of the script's files open", async () => {
  // The end of the pipe is seen only when nobody has it open any more.
  const line = `exec 9>held.by.nobody 200> >(cat; echo end >end); ${LINE} hold L || exit 9; exec 200>&-; echo pid $$; read line <fifo`
  const script = place.start(['bash', '-c', line])
  await script.says(/pid/)
  await until('the pipe has ended', () => fs.existsSync(place.path('end')))
  const open = fs.readdirSync(`/proc/${keeperOf('L')}/fd`).map((fd) => {
    try {
      return fs.readlinkSync(`/proc/${keeperOf('L')}/fd/${fd}`)
    } catch {
      return ''
    }
  })
  assert.deepEqual(
    open.filter((target) => target.startsWith(place.directory)),
    [],
  )
  assert.equal(fs.readlinkSync(`/proc/${keeperOf('L')}/cwd`), '/')
  place.end()
  await script.ended()
})

test('--env prints what a command would find in its environment', async () => {
  const line = `vars=$(${LINE} hold --env --pid $$ L) || exit; eval "$vars"; echo "$SLOCKET_RECOVERED $SLOCKET_TOKEN"`
  const first = await place.run(['sh', '-c', line])
  const second = await place.run(['sh', '-c', line])
  const [[recovered, token], [recoveredThen, tokenThen]] = [first, second].map(({ stdout }) =>
    stdout.trim().split(' '),
  ) as [string[], string[]]
  assert.deepEqual([recovered, recoveredThen], ['0', '1'])
  assert.ok(BigInt(tokenThen!) > BigInt(token!))
})

test('nothing is held if its output cannot be written', async () => {
  const { status } = await place.run(['sh', '-c', `${LINE} hold --env --pid ${process.pid} L >/dev/full`])
  assert.equal(status, 74)
  await until('it is free', () => isFree('L'))
})

test('--parents creates missing directories', async () => {
  assert.equal((await place.runSlocket('hold', 'a/b/L')).status, 66)
  assert.equal((await place.runSlocket('hold', '--parents', '--pid', String(process.pid), 'a/b/L')).status, 0)
  assert.equal(await isFree('a/b/L'), false)
  assert.equal((await place.runSlocket('release', '--pid', String(process.pid), 'a/b/L')).status, 0)
})

test('a usage error is reported', async () => {
  const gone = place.start(['true'])
  await gone.ended()
  for (const [parameters, complaint] of [
    [['hold'], /LOCK is missing/],
    [['hold', 'L', 'true'], /one LOCK at a time, and no command/],
    [['hold', '--pid', String(gone.pid), 'L'], /process \d+ doesn't exist/],
    [['hold', '--pid', 'me', 'L'], /--pid must be a whole number/],
    [['hold', '--engine', 'redis://localhost', 'L'], /--engine/],
    [['hold', '-s', '-p', '2', 'L'], /exclude each other/],
    [['release'], /LOCK is missing/],
    [['release', '-n', 'L'], /-n/],
    [['keep'], /unknown command/],
    [['keep', `${process.pid}:1`, 'L'], /unknown command/],
  ] as const) {
    const { status, stderr } = await place.runSlocket(...parameters)
    assert.deepEqual([status, complaint.test(stderr)], [64, true], stderr)
  }
})

describe('a keeper whose `slocket hold` can no longer answer the script', () => {
  const keepers: ChildProcess[] = []
  afterEach(() => {
    for (const keeper of keepers.splice(0)) keeper.kill('SIGKILL')
  })

  /** What `slocket hold` does, up to the moment when it has the keeper's report. */
  async function startUnconfirmed(script: number): Promise<[keeper: number, channel: Duplex]> {
    const { pid, start } = identify(script)!
    const [node, main] = SLOCKET as [string, string]
    const keeper = spawn(node, [main, 'keep', `${pid}:${start}`, 'L'], {
      cwd: place.directory,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    keepers.push(keeper)
    const channel = keeper.stdio[3] as Duplex
    channel.write(`${JSON.stringify({ lock: 'L', options: {}, isTry: false, inherited: [] })}\n`)
    const lines = createInterface({ input: channel })
    const [report] = await new Promise<string[]>((resolve) => lines.once('line', (line) => resolve([line])))
    assert.equal((JSON.parse(report!) as { kind: string }).kind, 'held')
    return [keeper.pid!, channel]
  }

  async function dieAfterReport(): Promise<void> {
    const [keeper, channel] = await startUnconfirmed(process.pid)
    channel.destroy()
    await untilDead(keeper)
  }

  test('releases the lock', async () => {
    await dieAfterReport()
    assert.equal((await place.runSlocket('run', '-n', 'L', '--', ...TELL)).stdout, 'mine 0\n')
  })

  test('releases the lock if the script ends while `slocket hold` is stopped', async () => {
    const script = place.start(['sh', '-c', WAIT])
    await script.says(/pid/)
    const [keeper] = await startUnconfirmed(script.pid)
    script.kill('SIGKILL')
    await untilDead(keeper)
    assert.equal((await place.runSlocket('run', '-n', 'L', '--', ...TELL)).stdout, 'mine 0\n')
  })

  test('and passes `recovered` on to the next holder', async () => {
    await place.runSlocket('run', 'L', '--', 'sh', '-c', 'kill -9 $$')
    await dieAfterReport()
    assert.equal((await place.runSlocket('run', '-n', 'L', '--', ...TELL)).stdout, 'mine 1\n')
  })
})
