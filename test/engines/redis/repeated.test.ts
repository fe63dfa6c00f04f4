// A call without an answer is repeated, and may be carried out late: by then, later calls may have been carried out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { marginMs } from '../../../src/engines/deadline.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { RENEW } from '../../../src/engines/redis/scripts.ts'
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

test('a renewal that is carried out late removes no ticket that joined meanwhile, and does not shorten the lease', async () => {
  const url = addressOf('redis')
  await using admin = new Admin(url)
  const namespace = `late-renewal-${randomBytes(6).toString('hex')}`
  const keys = keysOf(namespace, 'data')
  const options = { engine: redis({ url, namespace, ttl: 60_000 }), mode: 'shared' } as const
  await using _first = await slocket('data', options)
  await using second = await slocket('data', options)
  const [early = '', late = ''] = (await admin.ask('ZRANGE', keys[0]!, '0', '-1')) as string[]
  const client = early.slice(0, early.indexOf('.'))
  const end = Number(await admin.ask('ZSCORE', keys[1]!, client))
  // It was made when there was the first ticket alone, and the lease was shorter: slocket/redlock makes leases longer.
  const made = `${client}.${Number(late.slice(late.indexOf('.') + 1)) - 1}`
  await admin.ask('EVAL', RENEW.text, '5', ...keys, `${namespace}:wake:`, '2000', made, early)
  assert.equal(await admin.ask('ZCARD', keys[0]!), 2)
  assert.ok(Number(await admin.ask('ZSCORE', keys[1]!, client)) >= end)
  assert.equal(second.held, true)
})

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
