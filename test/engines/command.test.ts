// `slocket run --engine` and `slocket status --engine`, on PostgreSQL.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { postgres } from '../../src/engines/postgres/index.ts'
import { slocket } from '../../src/index.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'
import { addressOf } from './helpers/servers.ts'
import { terminate } from './postgres/admin.ts'

const namespace = `command-${randomBytes(6).toString('hex')}`
/** Ends on command. */
const HOLD = ['sh', '-c', 'echo pid $$ token $SLOCKET_TOKEN; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('the command on PostgreSQL', () => {
  const connectionString = addressOf('postgres')
  const url = `${connectionString}?namespace=${namespace}`
  const engine = postgres({ connectionString, namespace })
  const run = (...parameters: readonly string[]) => place.slocket('run', '--engine', url, ...parameters)

  test('a command runs under the lock, others wait or give up, and status shows them', async () => {
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

  test('when the lock is lost, the command is asked to end, unless --on-lost says otherwise', async () => {
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

  test('with permits, that many commands run at the same time', async () => {
    const one = [...SLOCKET, 'run', '--engine', url, '-n', '-p', '2', 'permits', '--']
    assert.equal((await place.run([...one, ...one, 'true'])).status, 0)
    assert.equal((await place.run([...one, ...one, ...one, 'true'])).status, 1)
  })

  test('unsupported options are an error', async () => {
    for (const [parameters, expected] of [
      [['run', '--engine', `${url}&pooler=transaction`, '-p', '2', 'a', 'true'], 64],
      [['run', '--engine', 'mysql://localhost', 'a', 'true'], 64],
      [['run', '--on-lost', 'pray', 'a', 'true'], 64],
      [['run', '--engine', 'postgres://x@127.0.0.1:1/x', 'a', 'true'], 69],
    ] as const) {
      const { status, stderr } = await place.run([...SLOCKET, ...parameters])
      assert.equal(status, expected, stderr)
      assert.match(stderr, /^slocket: /)
    }
  })
})
