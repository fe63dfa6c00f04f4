// Many requests of one process for one lock.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { RENEW } from '../../../src/engines/redis/scripts.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

const url = addressOf('redis')

for (const [kind, options, timeout] of [
  ['shared', { mode: 'shared' }, undefined],
  ['permits', { permits: 2 }, undefined],
  ['exclusive, and the others give up', {}, 50],
] as const) {
  test(`a lock is renewed though its process keeps asking for it (${kind})`, async () => {
    await using proxy = await TcpProxy.open(url)
    let renewals = 0
    proxy.onSent = (bytes) => void (renewals += Number(bytes.includes(RENEW.sha)))
    const namespace = `crowded-${randomBytes(6).toString('hex')}`
    const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl: 6000 })
    await using lock = await slocket('data', { engine, ...options })
    await until('it has renewed since it hears notifications', () => renewals > 0)
    const before = renewals
    while (renewals === before && lock.held) {
      await slocket
        .with('data', { engine, timeout, ...options }, () => undefined)
        .catch((error: unknown) => {
          assert.equal((error as { code?: string }).code, 'ERR_SLOCKET_TIMEOUT')
        })
      await sleep(100)
    }
    assert.equal(lock.held, true)
  })
}

test('after a request that failed because places were lost, later ones get the lock', async () => {
  const namespace = `places-${randomBytes(6).toString('hex')}`
  await using admin = new Admin(url)
  const engine = redis({ url, namespace })
  const keys = keysOf(namespace, 'turns')
  const held = await slocket('turns', { engine: redis({ url, namespace }) })
  const first = slocket('turns', { engine })
  await until('it waits', async () => (await admin.ask('ZCARD', keys[0]!)) === 2)
  await admin.ask('DEL', ...keys.slice(0, 4))
  await assert.rejects(slocket('turns', { engine, permits: 2 }), { code: 'ERR_SLOCKET_CLAIM_MISMATCH' })
  await (await first).release()
  await (await slocket('turns', { engine, timeout: 30_000 })).release()
  await held.release()
})
