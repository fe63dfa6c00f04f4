/** The lock lives as long as the command, whatever becomes of `slocket run` itself. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import slocket from '../../src/index.ts'
import type { Ending, Running } from '../helpers/command.ts'
import { isRunning, SLOCKET, untilDead, Workplace } from '../helpers/command.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { until } from '../helpers/until.ts'

/** Says its process id, and ends when the test says so. */
const SPEAKER = ['sh', '-c', 'echo pid $$; read line <fifo; exit 3']
/** Where the file system has no hard links. */
const NO_LINKS =
  'data:text/javascript,' +
  encodeURIComponent(
    `import fs from 'node:fs'; fs.linkSync = () => { throw Object.assign(new Error('no links'), { code: 'EPERM' }) }`,
  )

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

/** Starts the speaker under the lock. */
async function start(lock: string, ...options: string[]): Promise<[Running, number]> {
  const runner = place.slocket('run', ...options, lock, '--', ...SPEAKER)
  const [, pid] = await runner.says(/pid (\d+)/)
  return [runner, Number(pid)]
}

async function isFree(lock: string): Promise<boolean> {
  return (await place.runSlocket('run', '-n', lock, '--', 'true')).status === 0
}

/** Whether a process has accepted a connection at its socket in the lock's directory: proc_net(5). In the fourth column, 00010000 is a socket that listens. */
function hasConnection(lock: string, pid: number): boolean {
  const files = fs.readdirSync(join(lock, '.members')).filter((file) => file.endsWith(`.${pid}`))
  const lines = fs.readFileSync('/proc/net/unix', 'utf8').split('\n')
  const accepted = lines.filter((line) => /^\S+ \S+ \S+ 00000000 \S+ 03 /.test(line))
  return files.some((file) => accepted.some((line) => line.includes(`/${file}`)))
}

describe('`slocket run` is killed with -9 while its command runs', () => {
  for (const [name, lock, env] of [
    ['a short path', 'lock', {}],
    ['a path too long for an address', join('d'.repeat(200), 'lock'), {}],
    ['a file system without hard links', 'lock', { NODE_OPTIONS: `--import=${NO_LINKS}` }],
  ] as const) {
    test(`the command keeps the lock until it ends: ${name}`, async () => {
      fs.mkdirSync(place.path('d'.repeat(200)))
      const runner = place.start([...SLOCKET, 'run', lock, '--', ...SPEAKER], { env })
      const command = Number((await runner.says(/pid (\d+)/))[1])
      const before = place.slocket('run', lock, '--', 'sh', '-c', 'echo before $SLOCKET_RECOVERED')
      await untilWaiting(place.path(lock), 1, before.pid)
      runner.kill('SIGKILL')
      await runner.exited()

      const after = place.slocket('run', lock, '--', 'sh', '-c', 'echo after $SLOCKET_RECOVERED')
      await untilWaiting(place.path(lock), 1, after.pid)
      assert.equal(await isFree(lock), false)
      assert.ok(isRunning(command))
      assert.deepEqual([before.stdout, after.stdout], ['', ''])

      place.end()
      await untilDead(command)
      assert.deepEqual(
        [await before.ended(), await after.ended()].map(({ stdout }) => stdout),
        ['before 1\n', 'after 0\n'],
      )
      await untilGone(place.path(lock))
    })
  }

  test('with --close the lock is free, and the command continues', async () => {
    const [runner, command] = await start('lock', '--close')
    assert.equal(await isFree('lock'), false)
    runner.kill('SIGKILL')
    await runner.exited()
    assert.equal(await isFree('lock'), true)
    assert.ok(isRunning(command))
  })

  test('a command that has closed the descriptor no longer has the lock', async () => {
    const runner = place.slocket('run', 'lock', '--', 'bash', '-c', `${CLOSE_SOCKETS}; echo pid $$; read line <fifo`)
    const command = Number((await runner.says(/pid (\d+)/))[1])
    assert.equal(await isFree('lock'), false)
    runner.kill('SIGKILL')
    await runner.exited()
    assert.equal(await isFree('lock'), true)
    assert.ok(isRunning(command))
  })

  test('a command that executes another program keeps it', async () => {
    const runner = place.slocket('run', 'lock', '--', 'sh', '-c', 'exec sh -c "echo pid \\$\\$; read line <fifo"')
    const command = Number((await runner.says(/pid (\d+)/))[1])
    runner.kill('SIGKILL')
    await runner.exited()
    assert.equal(await isFree('lock'), false)
    place.end()
    await untilDead(command)
    assert.equal(await isFree('lock'), true)
  })

  test('a full backlog that nobody empties does not count as dead, and ends with the command', async () => {
    const [runner, command] = await start('lock')
    runner.kill('SIGKILL')
    await runner.exited()
    const most = Number(fs.readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
    const [holder] = ticketsIn(place.path('lock'))
    const flood = place.start(['node', '-e', FLOOD, join(place.path('lock'), holder!.name), String(most + 1)])
    await flood.says(/full/)
    assert.equal(await isFree('lock'), false)
    const waiter = place.slocket('run', 'lock', '--', 'echo', 'mine')
    await untilWaiting(place.path('lock'), 1, waiter.pid)
    flood.kill('SIGKILL')
    await flood.ended()
    assert.equal(await isFree('lock'), false)
    assert.equal(waiter.stdout, '')
    place.end()
    await untilDead(command)
    assert.equal((await waiter.ended()).stdout, 'mine\n')
  })
})

/** Closes every socket beyond the usual three. */
const CLOSE_SOCKETS =
  'for fd in /proc/$$/fd/*; do n=${fd##*/}; if [[ $n -gt 2 && $(readlink $fd) == socket:* ]]; then eval "exec $n>&-"; fi; done'

/** Connects again and again, until the backlog is full. */
const FLOOD = `
  const net = require('net'), [path, most] = process.argv.slice(1)
  let open = 0
  const next = () => {
    const socket = net.connect(path)
    socket.on('connect', () => (++open > most ? console.log('not to be filled') : next()))
    socket.on('error', ({ code }) => console.log(code === 'EAGAIN' ? 'full' : code))
  }
  next()
`

describe('the command ends', () => {
  for (const [name, env] of [
    ['', {}],
    [', on a file system without hard links', { NODE_OPTIONS: `--import=${NO_LINKS}` }],
  ] as const) {
    test(`the next command gets the lock, without recovered${name}`, async () => {
      const first = place.start([...SLOCKET, 'run', 'lock', '--', ...SPEAKER], { env })
      await first.says(/pid/)
      const second = place.start([...SLOCKET, 'run', 'lock', '--', 'sh', '-c', 'echo $SLOCKET_RECOVERED'], { env })
      await untilWaiting(place.path('lock'), 1, second.pid)
      // A request that connects while the first one looks for a process left behind gets `recovered`: ticket-socket.ts.
      await until('it is connected', () => hasConnection(place.path('lock'), first.pid))
      place.end()
      assert.equal((await first.ended()).status, 3)
      assert.deepEqual((await second.ended()).stdout, '0\n')
      assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
    })
  }

  for (const options of [[], ['--close']]) {
    test(`killed with -9: the next command gets the lock, with recovered ${options.join()}`, async () => {
      const [first, command] = await start('lock', ...options)
      const second = place.slocket('run', 'lock', '--', 'sh', '-c', 'echo $SLOCKET_RECOVERED')
      await untilWaiting(place.path('lock'), 1, second.pid)
      process.kill(command, 'SIGKILL')
      assert.equal((await first.ended()).status, 128 + 9)
      assert.equal((await second.ended()).stdout, '1\n')
      assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
    })
  }

  /** Runs a command that leaves a daemon behind, to its end. */
  async function leaveBehind(...options: string[]): Promise<[Ending, daemon: number]> {
    const line = '(exec >/dev/null 2>&1; read line <fifo) & echo pid $!'
    const ending = await place.slocket('run', ...options, 'lock', '--', 'sh', '-c', line).ended()
    return [ending, Number(/pid (\d+)/.exec(ending.stdout)![1])]
  }

  test('a process that it has left behind keeps the lock until that ends, too', async () => {
    const [{ status, stderr }, daemon] = await leaveBehind('-v')
    assert.equal(status, 0)
    assert.match(stderr, /left behind keeps 'lock'/)
    const second = place.slocket('run', 'lock', '--', 'sh', '-c', 'echo mine $SLOCKET_RECOVERED')
    await untilWaiting(place.path('lock'), 1, second.pid)
    assert.equal(await isFree('lock'), false)
    assert.equal(second.stdout, '')
    place.end()
    await untilDead(daemon)
    assert.equal((await second.ended()).stdout, 'mine 1\n')
  })

  test('with --close, a process that it has left behind does not keep the lock', async () => {
    const [, daemon] = await leaveBehind('-o')
    assert.equal(await isFree('lock'), true)
    assert.ok(isRunning(daemon))
    place.end()
    await untilDead(daemon)
  })
})

test('a waiting `slocket run` that is killed is skipped', async () => {
  await start('lock')
  const second = place.slocket('run', 'lock', '--', 'echo', 'second')
  await untilWaiting(place.path('lock'), 1, second.pid)
  const third = place.slocket('run', 'lock', '--', 'echo', 'third')
  await untilWaiting(place.path('lock'), 1, third.pid)
  second.kill('SIGKILL')
  await second.ended()
  place.end()
  assert.equal((await third.ended()).stdout, 'third\n')
})

test('programs and commands exclude each other', async () => {
  const lock = await slocket(place.path('lock'), { linger: 0 })
  assert.equal(await isFree('lock'), false)
  const waiter = place.slocket('run', 'lock', '--', ...SPEAKER)
  await untilWaiting(place.path('lock'), 1, waiter.pid)
  await lock.release()
  await waiter.says(/pid/)
  assert.equal(await slocket.try(place.path('lock'), { linger: 0 }), null)
  place.end()
  await waiter.ended()
})

describe('the death of a holder is reported to the next command that really starts', () => {
  const TELL = ['sh', '-c', 'echo $SLOCKET_RECOVERED']
  /** Kills `slocket run` in place of starting its command. */
  const KILLED_BEFORE = preload(`
    import childProcess from 'node:child_process'
    import { syncBuiltinESMExports } from 'node:module'
    childProcess.spawn = () => process.kill(process.pid, 'SIGKILL')
    syncBuiltinESMExports()`)
  /** As if there were no descriptors left for a child process. */
  const NOT_SPAWNED = preload(`
    import childProcess from 'node:child_process'
    import { syncBuiltinESMExports } from 'node:module'
    childProcess.spawn = () => { throw Object.assign(new Error('spawn EAGAIN'), { code: 'EAGAIN' }) }
    syncBuiltinESMExports()`)

  function preload(code: string): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` }
  }

  async function dieHolding(...options: string[]): Promise<void> {
    assert.equal((await place.runSlocket('run', ...options, 'lock', '--', 'sh', '-c', 'kill -9 $$')).status, 128 + 9)
  }

  const FAILURES: readonly (readonly [name: string, command: string, status: number | null, env?: object])[] = [
    ['one that does not exist', 'no-such-command', 127],
    ['one that is no program', './fifo', 126],
    ['one that the system refuses to start', 'true', 126, NOT_SPAWNED],
    ['one whose `slocket run` is killed before it begins', 'true', null, KILLED_BEFORE],
  ]
  for (const options of [[], ['-p', '1']]) {
    for (const [name, command, status, env = {}] of FAILURES) {
      test(`and not to ${name}${options.length > 0 ? ', of permits' : ''}`, async () => {
        await dieHolding(...options)
        // Twice: a death that was not reported the first time is kept.
        for (let times = 0; times < 2; times += 1) {
          const failed = await place.run([...SLOCKET, 'run', ...options, 'lock', '--', command], { env: { ...env } })
          assert.equal(failed.status, status)
        }
        assert.equal((await place.runSlocket('run', ...options, 'lock', '--', ...TELL)).stdout, '1\n')
        assert.equal((await place.runSlocket('run', ...options, 'lock', '--', ...TELL)).stdout, '0\n')
        assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
      })
    }
  }

  test('and to shared holders, too, until an exclusive one was notified', async () => {
    await dieHolding()
    assert.equal((await place.runSlocket('run', '-s', 'lock', '--', 'no-such-command')).status, 127)
    assert.equal((await place.runSlocket('run', '-s', 'lock', '--', ...TELL)).stdout, '1\n')
    assert.equal((await place.runSlocket('run', 'lock', '--', ...TELL)).stdout, '1\n')
    assert.equal((await place.runSlocket('run', 'lock', '--', ...TELL)).stdout, '0\n')
    assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
  })

  test('to a command that was already waiting', async () => {
    const [first, command] = await start('lock')
    const second = place.slocket('run', 'lock', '--', 'no-such-command')
    await untilWaiting(place.path('lock'), 1, second.pid)
    const third = place.slocket('run', 'lock', '--', ...TELL)
    await untilWaiting(place.path('lock'), 1, third.pid)
    process.kill(command, 'SIGKILL')
    await first.ended()
    assert.equal((await second.ended()).status, 127)
    assert.equal((await third.ended()).stdout, '1\n')
  })

  test('in a program, by lock.recovered', async () => {
    await dieHolding()
    await place.runSlocket('run', 'lock', '--', 'no-such-command')
    const lock = await slocket(place.path('lock'), { linger: 0 })
    assert.equal(lock.recovered, true)
    await lock.release()
  })

  test('a command that cannot be started leaves nothing else behind', async () => {
    assert.equal((await place.runSlocket('run', 'lock', '--', 'no-such-command')).status, 127)
    assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
  })
})
