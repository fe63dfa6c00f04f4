// Many locks of one client.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { redis } from '../../../src/engines/redis/index.ts'
import type { Lock } from '../../../src/index.ts'
import { LockManager, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

const url = addressOf('redis')
const COUNT = 1000
/** No lease runs out on a busy machine, and the first renewal does not take long. */
const TTL_MS = 30_000

test('1,000 locks of one holder are all renewed, over two connections, and all waiters get them', async () => {
  const namespace = `many-${randomBytes(6).toString('hex')}`
  await using admin = new Admin(url)
  const [one, other] = [redis({ url, namespace, ttl: TTL_MS }), redis({ url, namespace, ttl: TTL_MS })]
  const names = Array.from({ length: COUNT }, (_, index) => `lock ${index}`)
  const held = await Promise.all(names.map((name) => slocket(name, { engine: one })))
  const leaseOf = async (name: string): Promise<number> => {
    const key = `${namespace}:{${encodeURIComponent(name)}}:leases`
    const found = (await admin.ask('ZRANGE', key, '0', '0', 'WITHSCORES')) as unknown[]
    return Number(found.flat()[1])
  }
  const ends = await Promise.all(names.map(leaseOf))
  await until('all are renewed', async () => {
    for (const lock of held) lock.assertHeld()
    const now = await Promise.all(names.map(leaseOf))
    return now.every((end, index) => end > ends[index]!)
  })
  assert.ok(held.every((lock) => lock.held))
  const waiting = names.map((name) => slocket(name, { engine: other }))
  await Promise.all(held.map((lock) => lock.release()))
  const next: Lock[] = await Promise.all(waiting)
  for (const [index, lock] of next.entries()) assert.ok(lock.token > held[index]!.token)
  await Promise.all(next.map((lock) => lock.release()))
})

test('a listing of all locks goes on from where it was when a connection ended', async () => {
  const namespace = `listed-${randomBytes(6).toString('hex')}`
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  const fill = `for index = 1, 5000 do redis.call('SET', KEYS[1] .. index, '', 'EX', 600) end`
  await admin.ask('EVAL', fill, '1', `other-${namespace}-`)
  const cursors: string[] = []
  proxy.onSent = (bytes) => {
    const cursor = /SCAN\r\n\$\d+\r\n(\d+)/i.exec(bytes.toString('latin1'))?.[1]
    if (cursor === undefined) return
    cursors.push(cursor)
    if (cursors.length === 3) proxy.break()
  }
  const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl: TTL_MS })
  await using _lock = await slocket('listed', { engine })
  const { held } = await new LockManager({ engine }).query()
  assert.deepEqual(
    held.map(({ name }) => name),
    ['listed'],
  )
  assert.equal(cursors.filter((cursor) => cursor === '0').length, 1)
  assert.equal(cursors[3], cursors[2])
})
