import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { addressOf } from '../helpers/servers.ts'

const endpoints = addressOf('etcd')

describe('a name of a lock in etcd', () => {
  test('may be any string, and long', async () => {
    const namespace = `names-${randomBytes(6).toString('hex')}`
    const [one, two] = [etcd({ endpoints, namespace }), etcd({ endpoints, namespace })]
    for (const name of ['a/b', '/t/', '..', 'ü☃😀', 'x'.repeat(10_000)]) {
      const lock = await slocket(name, { engine: one })
      assert.equal(await slocket.try(name, { engine: two }), null)
      assert.equal((await slocket.query(name, { engine: two })).held.length, 1)
      await lock.release()
    }
  })

  test('that differs only in half a surrogate pair is another lock', async () => {
    const engine = etcd({ endpoints, namespace: `halves-${randomBytes(6).toString('hex')}` })
    const names = ['a\ud800', 'a\ud801', 'a\ufffd', 'a\udc00']
    const attempt = { claim: { kind: 'exclusive' }, wait: false, lingerMs: 0 } as const
    const grants = await Promise.all(names.map(async (name) => await engine.acquire(name, attempt)))
    for (const [index, name] of names.entries()) {
      assert.notEqual(grants[index], null)
      assert.equal(await engine.acquire(name, attempt), null)
    }
    assert.deepEqual([...(await engine.queryAll!()).keys()].sort(), [...names].sort())
    for (const grant of grants) await grant!.release()
  })

  test('that the server rejects fails at once, and is not retried on connections that others use', async () => {
    const engine = etcd({ endpoints })
    for (const [length, code] of [
      [200_000, 'ERR_SLOCKET_SYSTEM'],
      [500_000, 'ERR_SLOCKET_RESOURCES'],
    ] as const) {
      const sinceMs = performance.now()
      await assert.rejects(slocket('x'.repeat(length), { engine }), (error) => isSlocketError(error, code))
      assert.ok(performance.now() - sinceMs < 10_000)
    }
  })
})
