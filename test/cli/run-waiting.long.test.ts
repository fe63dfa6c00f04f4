/** `slocket run --slice`, `--at-least` and `--parents`, and what is said without a terminal. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, untilDead, UNTIL_INPUT, Workplace } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']
const TELL = ['sh', '-c', 'echo mine $SLOCKET_RECOVERED']
/** Has it say after a tenth of a second what it would say after ten, and gives the holder more time to answer (usually 200 ms). */
const SOON =
  'data:text/javascript,' +
  encodeURIComponent(
    'const start = globalThis.setTimeout; globalThis.setTimeout = (call, ms, ...rest) => start(call, { 10000: 100, 200: 10_000 }[ms] ?? ms, ...rest)',
  )

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('--slice', () => {
  test('changes no order: the next run of the same script queues behind other waiters', async () => {
    const slice = [...SLOCKET, 'run', '--slice', '60000', 'L', '--'].join(' ')
    const script = place.start(['sh', '-c', `${slice} sh -c 'echo pid $$; read line <fifo'; ${slice} cat written`])
    await script.says(/pid/)
    const waiter = place.slocket('run', 'L', '--', 'sh', '-c', 'echo the other >written')
    await untilWaiting(place.path('L'), 1, waiter.pid)
    fs.writeFileSync(place.path('written'), 'nobody\n')
    place.end()
    const { status, stdout } = await script.ended()
    assert.deepEqual([status, stdout.replace(/^pid.*\n/, '')], [0, 'the other\n'])
  })

  test('is checked like the option of the API', async () => {
    const all = [['60001'], ['-1'], ['soon'], ['1', '-s'], ['1', '-p', '2'], ['0', '-s'], ['0', '-p', '2'], ['2.5']]
    const endings = await Promise.all(
      all.map(
        async ([ms, ...words], index) => await place.runSlocket('run', `--slice=${ms}`, ...words, `L${index}`, 'true'),
      ),
    )
    const refusals = endings.map(({ stderr }) => /^slocket: run: (.*)$/m.exec(stderr)?.[1])
    const exclusive = '--slice cannot be given with -p, --permits or with -s, --shared'
    assert.deepEqual(refusals.slice(3), [exclusive, exclusive, undefined, undefined, undefined])
    for (const refusal of refusals.slice(0, 3)) assert.match(refusal!, /^--slice must be from 0 to 60000 ms, not '/)
    assert.deepEqual(
      endings.map(({ status }) => status),
      [64, 64, 64, 64, 64, 0, 0, 0],
    )
  })
})

describe('--at-least', () => {
  /** Its command has ended. */
  async function startRemainder(...command: string[]): Promise<Running> {
    const runner = place.slocket('run', '--at-least', '3600', 'L', '--', ...command)
    await untilDead(Number((await runner.says(/pid (\d+)/))[1]))
    assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 1)
    return runner
  }

  test('holds after the command has ended, until the time is over', async () => {
    const runner = await startRemainder('sh', '-c', 'echo pid $$')
    const next = place.slocket('run', 'L', '--', ...TELL)
    await untilWaiting(place.path('L'), 1, next.pid)
    assert.equal(runner.hasEnded, false)
    const short = await place.runSlocket('run', '--at-least', '0.05', 'M', '--', 'sh', '-c', 'exit 3')
    assert.equal(short.status, 3)
    assert.equal((await place.runSlocket('run', '-n', 'M', '--', ...TELL)).stdout, 'mine 0\n')
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} then ends it, without recovered for the next command`, async () => {
      const runner = await startRemainder('sh', '-c', 'echo pid $$')
      const next = place.slocket('run', 'L', '--', ...TELL)
      await untilWaiting(place.path('L'), 1, next.pid)
      runner.kill(signal)
      assert.equal((await runner.ended()).signal, signal)
      assert.equal((await next.ended()).stdout, 'mine 0\n')
    })
  }

  test('a signal that ends the command ends the remaining time, too', async () => {
    const line = `trap 'exit 4' TERM; echo pid $$; ${UNTIL_INPUT}`
    const runner = place.slocket('run', '--at-least', '3600', 'L', '--', 'bash', '-c', line)
    await runner.says(/pid/)
    runner.kill('SIGTERM')
    assert.equal((await runner.ended()).status, 4)
    assert.equal((await place.runSlocket('run', '-n', 'L', '--', ...TELL)).stdout, 'mine 0\n')
  })

  test('a command that was killed counts as a dead holder', async () => {
    const runner = await startRemainder('sh', '-c', 'echo pid $$; kill -9 $$')
    runner.kill('SIGTERM')
    await runner.ended()
    assert.equal((await place.runSlocket('run', '-n', 'L', '--', ...TELL)).stdout, 'mine 1\n')
  })

  test('does not apply to a command that could not be started, or to a lost lock', async () => {
    assert.equal((await place.runSlocket('run', '--at-least', '3600', 'L', '--', 'no-such-command')).status, 127)
    const runner = await startRemainder('sh', '-c', 'echo pid $$; exit 5')
    fs.rmSync(place.path('L'), { recursive: true })
    const { status, stderr } = await runner.ended()
    assert.equal(status, 5)
    assert.match(stderr, /was lost/)
  })

  test('must be a number of seconds', async () => {
    const { status, stderr } = await place.runSlocket('run', '--at-least', 'long', 'L', 'true')
    assert.deepEqual([status, /--at-least must be a number of seconds/.test(stderr)], [64, true])
  })
})

describe('--parents', () => {
  test('creates the directories above the lock, and they stay', async () => {
    assert.equal((await place.runSlocket('run', 'a/b/L', 'true')).status, 66)
    assert.equal((await place.runSlocket('run', '--parents', 'a/b/L', '--', 'echo', 'mine')).stdout, 'mine\n')
    assert.equal((await place.runSlocket('run', '--parents', 'a/b/L', '--', 'echo', 'mine')).stdout, 'mine\n')
    assert.deepEqual(fs.readdirSync(place.path('a/b')), [])
  })

  test('fails if something else is in the way', async () => {
    fs.writeFileSync(place.path('file'), 'content')
    const { status, stderr } = await place.runSlocket('run', '--parents', 'file/b/L', 'true')
    assert.equal(status, 66)
    assert.match(stderr, /cannot make the parent directory of '.*\/file\/b\/L': a part of the path is not a directory/)
    const { status: other } = await place.runSlocket('run', '--parents', '--engine', 'etcd://localhost:1', 'L', 'true')
    assert.equal(other, 64)
  })
})

describe('without a terminal, after ten seconds of waiting', () => {
  test('prints the holder once', async () => {
    const holder = place.slocket('run', '--label', 'nightly', 'L', '--', ...HOLD)
    await holder.says(/pid/)
    const waiter = place.start([...SLOCKET, 'run', 'L', '--', 'echo', 'mine'], {
      env: { NODE_OPTIONS: `--import=${SOON}` },
    })
    await waiter.complains(/\n/)
    place.end()
    const { status, stdout, stderr } = await waiter.ended()
    assert.deepEqual([status, stdout], [0, 'mine\n'])
    assert.match(
      stderr,
      new RegExp(
        `^slocket: waiting for 'L', held by pid ${holder.pid} \\(nightly: slocket run .*\\) for \\d+ s; next in line\\n$`,
      ),
    )
  })

  test('so does `slocket hold`, with its place in the queue', async () => {
    const holder = place.slocket('run', 'L', '--', ...HOLD)
    await holder.says(/pid/)
    const first = place.slocket('run', 'L', '--', 'true')
    await untilWaiting(place.path('L'), 1, first.pid)
    const waiter = place.start([...SLOCKET, 'hold', 'L'], { env: { NODE_OPTIONS: `--import=${SOON}` } })
    await waiter.complains(new RegExp(`held by pid ${holder.pid} .*; 1 waiting ahead\\n`))
    place.end()
    assert.equal((await waiter.ended()).status, 0)
  })

  test('prints nothing with -q, or as flock, which cron would mail', async () => {
    await place.slocket('flock', 'L', ...HOLD).says(/pid/)
    const env = { NODE_OPTIONS: `--import=${SOON}` }
    for (const words of [
      ['run', '-q', '-w', '1', 'L.lock', 'true'],
      ['flock', '-w', '1', 'L', 'true'],
    ]) {
      const { status, stderr } = await place.run([...SLOCKET, ...words], { env })
      assert.deepEqual([status, stderr], [1, ''])
    }
    place.end()
  })
})
