// Many locks of one client.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, describe, test } from 'node:test'
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

describe('a listing of all locks', () => {
  const others = `other-${randomBytes(6).toString('hex')}-`
  before(async () => {
    await using admin = new Admin(url)
    const fill = `for index = 1, 8000 do redis.call('SET', KEYS[1] .. index, '', 'EX', 600) end`
    await admin.ask('EVAL', fill, '1', others)
  })

  /** @param onScan called with each cursor that is sent. */
  async function list(onScan: (proxy: TcpProxy, cursor: string) => void): Promise<void> {
    await using proxy = await TcpProxy.open(url)
    proxy.onSent = (bytes) => {
      const cursor = /SCAN\r\n\$\d+\r\n(\d+)/i.exec(bytes.toString('latin1'))?.[1]
      if (cursor !== undefined) onScan(proxy, cursor)
    }
    const namespace = `listed-${randomBytes(6).toString('hex')}`
    const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl: TTL_MS })
    await using _lock = await slocket('listed', { engine })
    const { held } = await new LockManager({ engine }).query()
    assert.deepEqual(
      held.map(({ name }) => name),
      ['listed'],
    )
  }

  test('may take longer than a call', async () => {
    await list((proxy) => {
      proxy.holdReplies()
      setTimeout(() => proxy.passReplies(), 500)
    })
  })

  // Another process may listen there by now, to which the cursor means something else.
  test('begins again after the end of a connection', async () => {
    const cursors: string[] = []
    await list((proxy, cursor) => {
      cursors.push(cursor)
      if (cursors.length === 3) proxy.break()
    })
    assert.equal(cursors[3], '0')
  })
})
