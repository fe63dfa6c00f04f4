/** API calls that consist of more than one request, or of none: several locks at once, leaders, nested calls, and locks that stay held for some time. */
import assert from 'node:assert/strict'
import type { LockSet } from '../index.ts'
import { isSlocketError, LockManager, slocket } from '../index.ts'
import { eventually } from './scene.ts'
import type { Scene } from './scene.ts'
import type { Suite } from './suite.ts'

/** The minimum time for which the locks of these tests stay held, in ms. */
const AT_LEAST_MS = 300

export function testBodies(suite: Suite): void {
  testSets(suite)
  testLeading(suite)

  suite.test('a nested call runs under the lock of the enclosing call, and releases nothing', [], async (scene) => {
    const [client, other] = await scene.clients(2)
    const options = { ...scene.options(client!), reentrant: true }
    await slocket.with(scene.resource, options, async (lock) => {
      await slocket.with(scene.resource, options, (nested) => assert.equal(nested.token, lock.token))
      lock.assertHeld()
      assert.equal(await slocket.try(scene.resource, scene.options(other!)), null)
    })
  })

  suite.test('an exclusive call nested in a shared call is a deadlock', ['shared'], async (scene) => {
    const options = { ...scene.options(await scene.client()), reentrant: true }
    await slocket.with(scene.resource, { ...options, mode: 'shared' }, async () => {
      await assert.rejects(
        slocket.with(scene.resource, options, () => {}),
        isDeadlock,
      )
    })
  })

  suite.test('a lock with atLeast stays held for that long, even if it is released earlier', [], async (scene) => {
    const [client, other] = await scene.clients(2)
    const sinceMs = performance.now()
    let isOver = false
    const running = slocket
      .with(scene.resource, { ...scene.options(client!), atLeast: AT_LEAST_MS }, () => {})
      .then(() => (isOver = true))
    await eventually(async () => assert.equal((await scene.query()).held.length, 1))
    for (;;) {
      const wasOver: boolean = isOver
      const lock = await slocket.try(scene.resource, scene.options(other!))
      if (lock !== null) {
        assert.ok(performance.now() - sinceMs >= AT_LEAST_MS)
        await lock.release()
        break
      }
      assert.equal(wasOver, false)
    }
    await running
  })
}

function testSets(suite: Suite): void {
  suite.test('several locks are acquired at once, in any order, and never by two callers', [], async (scene) => {
    const names = await otherNames(scene)
    const clients = await scene.clients(3)
    const holders = new Set<number>()
    const rounds = Math.min(suite.rounds, 20)
    await Promise.all(
      clients.map(async (client, index) => {
        const own = names.map((_, place) => names[(place + index) % names.length]!)
        for (let round = 0; round < rounds; round += 1) {
          await slocket.all.with(own, scene.options(client), ({ locks }) => {
            assert.deepEqual(
              locks.map(({ name }) => name),
              own,
            )
            assert.equal(holders.size, 0)
            holders.add(index)
            return new Promise<void>((resolve) => setImmediate(resolve)).then(() => void holders.delete(index))
          })
        }
      }),
    )
  })

  suite.test('if one of several locks is not free in time, none is held', [], async (scene) => {
    const names = await otherNames(scene)
    const [client, other] = await scene.clients(2)
    const held = await slocket(names[1]!, scene.options(other!))
    for (const timeout of [0, 200]) {
      await assert.rejects(slocket.all(names, { ...scene.options(client!), timeout }), (error) =>
        isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'),
      )
      for (const name of names.filter((one) => one !== names[1]))
        await (await slocket.try(name, scene.options(other!)))!.release()
    }
    await held.release()
  })

  suite.test('an abort while several locks are acquired releases those already held', [], async (scene) => {
    const names = await otherNames(scene)
    const [client, other] = await scene.clients(2)
    const held = await slocket(names[1]!, scene.options(other!))
    const controller = new AbortController()
    const reason = new Error('mine')
    const asking = slocket.all(names, { ...scene.options(client!), signal: controller.signal })
    const rejected = assert.rejects(asking, (error) => error === reason)
    await eventually(async () => assert.equal((await client!.query(names[1]!)).pending.length, 1))
    controller.abort(reason)
    await rejected
    for (const name of names.filter((one) => one !== names[1]))
      await (await slocket.try(name, scene.options(other!)))!.release()
    await held.release()
  })

  suite.test('the signal of several locks aborts if one of them is lost', ['steal'], async (scene) => {
    const names = await otherNames(scene)
    const [client, thief] = await scene.clients(2)
    const set: LockSet = await slocket.all(names, scene.options(client!))
    const { signal } = set
    await new LockManager({ engine: thief! }).request(names[2]!, { steal: true }, () => {})
    await eventually(async () => assert.equal(set.held, false))
    assert.equal(signal.aborted, true)
    await set.release()
    for (const name of names) await (await slocket(name, scene.options(thief!))).release()
  })
}

function testLeading(suite: Suite): void {
  suite.test('of several candidates, one leads at a time', [], async (scene) => {
    const clients = await scene.clients(3)
    let leading = 0
    let terms = 0
    await Promise.all(
      clients.map((client) =>
        slocket.lead(scene.resource, scene.options(client), async (lock, signal) => {
          leading += 1
          assert.deepEqual([leading, signal.aborted], [1, false])
          await scene.query()
          lock.assertHeld()
          terms += 1
          leading -= 1
        }),
      ),
    )
    assert.equal(terms, clients.length)
  })

  suite.test('a leader that has lost the lead leads again', ['steal'], async (scene) => {
    const [client, thief] = await scene.clients(2)
    let terms = 0
    const result = await slocket.lead(scene.resource, scene.options(client!), async (_lock, signal) => {
      terms += 1
      if (terms === 2) return 'done'
      await new LockManager({ engine: thief! }).request(scene.resource, { steal: true }, () => {})
      await eventually(async () => assert.equal(signal.aborted, true))
      return 'lost'
    })
    assert.equal(result, 'done')
  })
}

/** Returns lock names that were never used before. */
async function otherNames(scene: Scene): Promise<string[]> {
  const names: string[] = []
  while (names.length < 3) names.push(await scene.engine.resource())
  return names
}

function isDeadlock(error: unknown): boolean {
  return isSlocketError(error, 'ERR_SLOCKET_DEADLOCK')
}
