// Through the real `etcd grpc-proxy`, which numbers watches by itself and answers only streams that are open.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { EtcdGrpcProxy } from '../helpers/etcd-grpc-proxy.ts'
import { TTL_MS, withoutRenewals } from '../helpers/etcd-arena.ts'
import { addressOf } from '../helpers/servers.ts'

/** Longer than a test may last. */
const LONG_TTL_MS = 600_000

let proxy: EtcdGrpcProxy
before(async () => void (proxy = await EtcdGrpcProxy.open(addressOf('etcd'))))
after(() => proxy[Symbol.asyncDispose]())

function engineBehindProxy(namespace: string, ttl: number): ReturnType<typeof etcd> {
  return etcd({ endpoints: proxy.address, namespace, ttl })
}

function newNamespace(): string {
  return `proxied-${randomBytes(6).toString('hex')}`
}

test('through etcd grpc-proxy, a lock is held for longer than the TTL, since its lease is renewed', async () => {
  const lock = await slocket('long', { engine: engineBehindProxy(newNamespace(), TTL_MS) })
  await pass(2.2 * TTL_MS)
  lock.assertHeld()
  await lock.release()
})

describe('through etcd grpc-proxy', () => {
  test('waiters are granted when the ticket ahead releases: each is notified by its own watch', async (context) => {
    withoutRenewals(context)
    const namespace = newNamespace()
    const [engine, holders] = [
      engineBehindProxy(namespace, LONG_TTL_MS),
      etcd({ endpoints: addressOf('etcd'), namespace }),
    ]
    for (let round = 0; round < 3; round += 1) {
      const names = ['a', 'b', 'c'].map((name) => `${name}-${round}`)
      const held = await Promise.all(names.map(async (name) => await slocket(name, { engine: holders })))
      const waiting = names.map((name) => slocket(name, { engine }))
      await until('all wait', async () => {
        const snapshots = await Promise.all(names.map(async (name) => await slocket.query(name, { engine })))
        return snapshots.every(({ pending }) => pending.length === 1)
      })
      for (const [index, lock] of [...held.entries()].reverse()) {
        await lock.release()
        await (await waiting[index]!).release()
      }
    }
  })

  test('a holder is notified of a thief', async (context) => {
    withoutRenewals(context)
    const namespace = newNamespace()
    const engine = engineBehindProxy(namespace, LONG_TTL_MS)
    const lock = await slocket('stolen', { engine })
    const thief = etcd({ endpoints: addressOf('etcd'), namespace })
    const lost = once(lock.signal, 'abort')
    const stolen = await thief.acquire('stolen', { claim: { kind: 'exclusive' }, wait: true, steal: true, lingerMs: 0 })
    await lost
    assert.equal(lock.held, false)
    await stolen!.release()
    // What it had is cleared away before the proxy goes.
    await (await slocket('stolen', { engine })).release()
  })
})
