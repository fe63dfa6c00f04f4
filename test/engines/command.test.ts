// `slocket run --engine` and `slocket status --engine`, on real servers.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { postgres } from '../../src/engines/postgres/index.ts'
import { etcd } from '../../src/engines/etcd/index.ts'
import { slocket } from '../../src/index.ts'
import { isRunning, SLOCKET, Workplace } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'
import { addressOf } from './helpers/servers.ts'
import { TcpProxy } from './helpers/tcp-proxy.ts'
import { terminate } from './postgres/admin.ts'

const namespace = `command-${randomBytes(6).toString('hex')}`
/** Ends when it is told to. */
const HOLD = ['sh', '-c', 'echo pid $$ token $SLOCKET_TOKEN; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('the command on PostgreSQL', () => {
  const connectionString = addressOf('postgres')
  const url = `${connectionString}?namespace=${namespace}`
  const engine = postgres({ connectionString, namespace })
  const run = (...parameters: readonly string[]) => place.slocket('run', '--engine', url, ...parameters)

  test('it runs under the lock, others wait or give up, and status shows them', async () => {
    const holder = run('--label', 'first', 'deploy', '--', ...HOLD)
    await until('it runs', () => holder.stdout.includes('pid'))
    const [first] = (await slocket.query('deploy', { engine })).held
    assert.equal(first!.pid, holder.pid)
    const refused = await place.run([...SLOCKET, 'run', '--engine', url, '-n', 'deploy', 'true'])
    assert.equal(refused.status, 1)
    const waiter = run('deploy', 'sh', '-c', 'echo after')
    await until('it waits', async () => (await slocket.query('deploy', { engine })).pending.length === 1)
    const shown = await place.run([...SLOCKET, 'status', '--engine', url, '--json', 'deploy'])
    const [status] = JSON.parse(shown.stdout) as { held: { label: string }[]; waiting: { pid: number }[] }[]
    assert.equal(status!.held[0]!.label, 'first')
    assert.equal(status!.waiting[0]!.pid, waiter.pid)
    place.end()
    assert.equal((await holder.ended()).status, 0)
    assert.equal((await waiter.ended()).stdout, 'after\n')
    assert.deepEqual(await slocket.query('deploy', { engine }), { held: [], pending: [] })
  })

  test('when the lock is lost, the command is told to end, unless it is not to be', async () => {
    const lost = run('--label', 'to be lost', 'lost', '--', ...HOLD)
    const kept = run('--label', 'to be lost', '--on-lost', 'ignore', 'kept', '--', ...HOLD)
    for (const one of [lost, kept]) await until('it runs', () => one.stdout.includes('pid'))
    assert.equal(await terminate(connectionString, `to be lost`), 2)
    const { status, stderr } = await lost.ended()
    assert.equal(status, 128 + 15)
    assert.match(stderr, /the lock 'lost' is lost/)
    await until('it says so', () => kept.stderr.includes("the lock 'kept' is lost"))
    assert.equal(kept.hasEnded, false)
    place.end()
    assert.equal((await kept.ended()).status, 0)
  })

  test('what it cannot do is said', async () => {
    for (const [parameters, expected] of [
      [['run', '--engine', url, '-p', '2', 'a', 'true'], 64],
      [['run', '--engine', 'redis://localhost', 'a', 'true'], 64],
      [['run', '--on-lost', 'pray', 'a', 'true'], 64],
      [['status', '--engine', url], 64],
      [['run', '--engine', 'postgres://x@127.0.0.1:1/x', 'a', 'true'], 69],
    ] as const) {
      const { status, stderr } = await place.run([...SLOCKET, ...parameters])
      assert.equal(status, expected, stderr)
      assert.match(stderr, /^slocket: /)
    }
  })
})

describe('the command on etcd', () => {
  const endpoints = addressOf('etcd')
  const urlOf = (address: string): string => `etcd://${address}/${namespace}`
  const url = urlOf(new URL(endpoints).host)
  const engine = etcd({ endpoints, namespace })
  const waits = async (name: string): Promise<boolean> => (await slocket.query(name, { engine })).pending.length === 1

  test('it runs under the lock, others wait or give up, and status shows them', async () => {
    const holder = place.slocket('run', '--engine', url, '--label', 'first', 'deploy', '--', ...HOLD)
    const [, token] = await holder.says(/token (\d+)/)
    const [first] = (await slocket.query('deploy', { engine })).held
    assert.equal(first!.pid, holder.pid)
    assert.equal((await place.runSlocket('run', '--engine', url, '-n', 'deploy', 'true')).status, 1)
    const waiter = place.slocket('run', '--engine', url, 'deploy', 'sh', '-c', 'echo token $SLOCKET_TOKEN')
    await until('it waits', () => waits('deploy'))
    const shown = await place.runSlocket('status', '--engine', url, '--json', 'deploy')
    const [status] = JSON.parse(shown.stdout) as { held: { label: string }[]; waiting: { pid: number }[] }[]
    assert.equal(status!.held[0]!.label, 'first')
    assert.equal(status!.waiting[0]!.pid, waiter.pid)
    place.end()
    assert.equal((await holder.ended()).status, 0)
    const [, next] = /token (\d+)/.exec((await waiter.ended()).stdout)!
    assert.ok(BigInt(next!) > BigInt(token!))
    assert.deepEqual(await slocket.query('deploy', { engine }), { held: [], pending: [] })
  })

  test('when slocket is killed, the next one has the lock once the lease has run out; setpriv ends the command before', async () => {
    const command = ['setpriv', '--pdeathsig', 'KILL', ...HOLD]
    const holder = place.slocket('run', '--engine', url, 'killed', '--', ...command)
    const [, pid] = await holder.says(/pid (\d+)/)
    const waiter = place.slocket('run', '--engine', url, 'killed', 'sh', '-c', 'echo after')
    await until('it waits', () => waits('killed'))
    holder.kill('SIGKILL')
    await holder.exited()
    await waiter.says(/after/)
    assert.equal(isRunning(Number(pid)), false)
    assert.equal((await waiter.ended()).status, 0)
  })

  test('when nothing is heard of the server, a command that must not go on is killed before the next one runs', async () => {
    await using proxy = await TcpProxy.open(endpoints)
    const stubborn = ['sh', '-c', 'trap "" TERM; echo pid $$; read line <fifo; echo went on']
    const start = (name: string, onLost: string) =>
      place.slocket('run', '--engine', urlOf(proxy.address), '--on-lost', onLost, name, '--', ...stubborn)
    const [killed, kept] = [start('to-be-killed', 'kill'), start('to-be-kept', 'ignore')]
    const [, pid] = await killed.says(/pid (\d+)/)
    await kept.says(/pid/)
    const waiter = place.slocket(
      'run',
      '--engine',
      url,
      'to-be-killed',
      'sh',
      '-c',
      `kill -0 ${pid} || echo it is dead`,
    )
    await until('it waits', () => waits('to-be-killed'))
    proxy.isLosingReplies = true
    const { status, stderr, stdout } = await killed.ended()
    assert.equal(status, 128 + 9, stderr)
    assert.match(stderr, /the lock 'to-be-killed' is lost/)
    assert.doesNotMatch(stdout, /went on/)
    assert.equal((await waiter.ended()).stdout, 'it is dead\n')
    await kept.complains(/the lock 'to-be-kept' is lost/)
    place.end()
    assert.match((await kept.ended()).stdout, /went on/)
  })

  test('what it cannot do is said', async () => {
    for (const [parameters, expected] of [
      [['run', '--engine', 'etcd://', 'a', 'true'], 64],
      [['run', '--engine', 'etcd://user@localhost/x', 'a', 'true'], 64],
      [['run', '--engine', 'etcd://127.0.0.1:1/x', 'a', 'true'], 69],
    ] as const) {
      const { status, stderr } = await place.runSlocket(...parameters)
      assert.equal(status, expected, stderr)
      assert.match(stderr, /^slocket: /)
    }
  })
})
