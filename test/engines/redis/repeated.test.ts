// A call without an answer is repeated, and may be carried out late: by then, later calls may have been carried out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { marginMs } from '../../../src/engines/deadline.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { parseRedisOptions } from '../../../src/engines/redis/options.ts'
import type { Lease } from '../../../src/engines/redis/queue.ts'
import { RENEW } from '../../../src/engines/redis/scripts.ts'
import { RedisSession } from '../../../src/engines/redis/session.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

test('a lock that was acquired while a renewal had no answer is still held after the renewal is repeated', async () => {
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  let renewals = 0
  let isToHold = false
  proxy.onSent = (bytes) => {
    if (!bytes.includes(RENEW.sha)) return
    renewals += 1
    if (isToHold) proxy.holdReplies()
    else proxy.passReplies()
    isToHold = false
  }
  const namespace = `repeated-${randomBytes(6).toString('hex')}`
  const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl: 9000 })
  const options = { engine, mode: 'shared' } as const
  await using _first = await slocket('data', options)
  // The next ones need not load the script first.
  await until('a renewal', () => renewals > 0)
  isToHold = true
  await until('a renewal has no answer', () => proxy.isHoldingReplies)
  // So the renewal is repeated before this call is: a connection on which two calls have no answer is closed.
  await sleep(300)
  await using late = await slocket('data', options)
  assert.equal(proxy.isHoldingReplies, false)
  const before = renewals
  await until('a further renewal', () => renewals > before)
  assert.equal(await admin.ask('ZCARD', keysOf(namespace, 'data')[0]!), 2)
  assert.equal(late.held, true)
})

test('a renewal that is carried out late removes no ticket that joined meanwhile', async () => {
  const { admin, namespace, keys, client, ids } = await heldTwice({ ttlMs: 60_000 })
  await using _admin = admin
  // It was made when there was the first ticket alone.
  const made = `${client}.${Number(ids[1]!.slice(client.length + 1)) - 1}`
  await admin.ask('EVAL', RENEW.text, '5', ...keys, `${namespace}:wake:`, '60000', made, ids[0]!)
  assert.equal(await admin.ask('ZCARD', keys[0]!), 2)
})

test('a renewal that is carried out late does not shorten a lease that was made longer, and any other heals a wrong one', async () => {
  for (const [text, isKept] of [
    ['>2000', true],
    ['2000', false],
  ] as const) {
    const { admin, namespace, keys, client, ids } = await heldTwice({ ttlMs: 60_000, grows: isKept })
    await using _admin = admin
    const endOf = async (): Promise<number> => Number(await admin.ask('ZSCORE', keys[1]!, client))
    const end = await endOf()
    await admin.ask('EVAL', RENEW.text, '5', ...keys, `${namespace}:wake:`, text, `${client}.99`, ...ids)
    assert.equal((await endOf()) >= end, isKept)
  }
})

async function heldTwice(lease: Lease): Promise<{
  readonly admin: Admin
  readonly namespace: string
  readonly keys: readonly string[]
  readonly client: string
  readonly ids: readonly string[]
}> {
  const url = addressOf('redis')
  const admin = new Admin(url)
  const namespace = `late-renewal-${randomBytes(6).toString('hex')}`
  const keys = keysOf(namespace, 'data')
  const { engine } = new RedisSession(parseRedisOptions({ url, namespace })).engine(lease)
  for (let count = 0; count < 2; count += 1) await slocket('data', { engine, mode: 'shared' })
  const ids = (await admin.ask('ZRANGE', keys[0]!, '0', '-1')) as string[]
  return { admin, namespace, keys, client: ids[0]!.slice(0, ids[0]!.indexOf('.')), ids }
}

test('a process that notices its grant too late asks again: its requests keep their places', async () => {
  const ttl = 2000
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  const namespace = `noticed-late-${randomBytes(6).toString('hex')}`
  const keys = keysOf(namespace, 'turns')
  const ids = async (): Promise<string[]> => (await admin.ask('ZRANGE', keys[0]!, '0', '-1')) as string[]
  const first = await slocket('turns', { engine: redis({ url, namespace, ttl: 60_000 }) })
  const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl })
  const waiting = slocket('turns', { engine })
  await until('it waits', async () => (await ids()).length === 2)
  const order: string[] = []
  const later = slocket.with('turns', { engine }, () => void order.push('later'))
  await until('both wait', async () => (await ids()).length === 3)
  const [, early = '', late = ''] = await ids()
  proxy.holdReplies()
  await first.release()
  // Here the lease is over after this; not so on the server.
  const [client = ''] = early.split('.')
  await admin.ask('ZADD', keys[1]!, String(Date.now() + 60_000), client)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ttl - marginMs(ttl))
  proxy.passReplies()
  const lock = await waiting
  order.push('earlier')
  assert.deepEqual(await ids(), [early, late])
  assert.equal(lock.recovered, false)
  await lock.release()
  await later
  assert.deepEqual(order, ['earlier', 'later'])
})
