/** Downgrades: an exclusive holder becomes a shared one, and the lock is never free in between. */
import assert from 'node:assert/strict'
import type { Engine } from '../requests/engine.ts'
import { SHARED } from '../core/claim.ts'
import { isSlocketError, slocket } from '../index.ts'
import { turn } from './random.ts'
import { eventually } from './scene.ts'
import type { Scene } from './scene.ts'
import type { Suite } from './suite.ts'

export function testDowngrades(suite: Suite): void {
  if (suite.engine.capabilities.downgrade !== true) {
    suite.test('an engine that cannot downgrade throws, and the lock stays as it is', [], async (scene) => {
      const lock = await slocket(scene.resource, scene.options(await scene.client()))
      await assert.rejects(lock.downgrade(), (error) => isSlocketError(error, 'ERR_SLOCKET_NO_DOWNGRADE'))
      assert.equal(lock.mode, 'exclusive')
      assert.equal(lock.held, true)
      await lock.release()
    })
    return
  }

  suite.test('s s x s | a downgrade grants readers, up to the next writer (clients)', ['downgrade'], (scene) =>
    checkWhoIsLetIn(scene, () => scene.client()),
  )

  suite.test('s s x s | the same within one client', ['downgrade'], async (scene) => {
    const client = await scene.client()
    await checkWhoIsLetIn(scene, () => Promise.resolve(client))
  })

  suite.test('x s | a downgrade grants no request behind a waiting writer', ['downgrade', 'ordered'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const held = await scene.hold(a!)
    const writer = await scene.queueUp(b!, ['writer'])
    const reader = await scene.queueUp(c!, ['writer', 'reader'], { claim: SHARED })
    await held.downgrade()
    await scene.stillWait(writer, reader)
    await held.release()
    const written = await writer.granted()
    await scene.stillWait(reader)
    await written.release()
    await (await reader.granted()).release()
  })

  suite.test('a lock is not free while it is downgraded', ['downgrade'], async (scene) => {
    const [holder, other] = await scene.clients(2)
    for (let round = 0; round < suite.rounds / 10; round += 1) {
      const lock = await slocket(scene.resource, scene.options(holder!))
      let isOver = false
      const trying = (async () => {
        while (!isOver) {
          for (const client of [holder!, other!]) {
            assert.equal(await slocket.try(scene.resource, scene.options(client)), null)
          }
        }
      })()
      await turn()
      await lock.downgrade()
      await turn()
      isOver = true
      await trying
      await lock.release()
    }
  })

  suite.test('a reader that comes after a downgrade shares at once', ['downgrade'], async (scene) => {
    const clients = await scene.clients(2)
    const held = await scene.hold(clients[0]!)
    await held.downgrade()
    const readers = []
    for (const client of clients) readers.push(await scene.hold(client, { claim: SHARED, wait: false }))
    await held.release()
    for (const client of clients) await scene.ask(client, { wait: false }).refused()
    for (const reader of readers) await reader.release()
    await scene.checkFreeNow()
  })

  suite.test('a downgrade changes nothing but the mode', ['downgrade'], async (scene) => {
    const client = await scene.client()
    const lock = await slocket(scene.resource, { ...scene.options(client), label: 'writer' })
    const { token, signal, downgrade } = lock
    await downgrade()
    assert.equal(lock.mode, 'shared')
    assert.equal(lock.token, token)
    assert.equal(lock.held, true)
    assert.equal(signal.aborted, false)
    lock.assertHeld()
    const { held, pending } = await scene.query()
    assert.deepEqual(
      held.map(({ claim, label }) => ({ claim, label })),
      [{ claim: SHARED, label: 'writer' }],
    )
    assert.deepEqual(pending, [])
    // A second call does nothing.
    await Promise.all([downgrade(), downgrade()])
    assert.equal(lock.held, true)
    await lock.release()
    await scene.checkFreeNow()
  })

  suite.test('downgrading a shared lock does nothing', ['downgrade'], async (scene) => {
    const lock = await slocket(scene.resource, { ...scene.options(await scene.client()), mode: 'shared' })
    await lock.downgrade()
    assert.equal(lock.mode, 'shared')
    assert.equal(lock.held, true)
    await lock.release()
  })

  suite.test('a lock that was released cannot be downgraded', ['downgrade'], async (scene) => {
    const client = await scene.client()
    const lock = await slocket(scene.resource, scene.options(client))
    await lock.release()
    await assert.rejects(lock.downgrade(), isLost)
    const again = await slocket(scene.resource, scene.options(client))
    await again.downgrade()
    await again.release()
    await assert.rejects(again.downgrade(), isLost)
  })

  suite.test('a release right after the call of a downgrade makes the lock free', ['downgrade'], async (scene) => {
    const [holder, other] = await scene.clients(2)
    for (let round = 0; round < suite.rounds / 10; round += 1) {
      const lock = await slocket(scene.resource, scene.options(holder!))
      const downgrading = lock.downgrade().catch((error: unknown) => assert.ok(isLost(error)))
      const writer = scene.ask(other!)
      await Promise.all([downgrading, lock.release()])
      await (await writer.granted()).release()
    }
  })

  suite.test('a permit cannot be downgraded', ['downgrade', 'permits'], async (scene) => {
    const lock = await slocket(scene.resource, { ...scene.options(await scene.client()), permits: 2 })
    await assert.rejects(lock.downgrade(), TypeError)
    assert.equal(lock.held, true)
    await lock.release()
  })

  suite.test(
    'waiting writers of the same client come before readers of others',
    ['downgrade', 'ordered'],
    async (scene) => {
      const [a, b] = await scene.clients(2)
      const first = new AbortController()
      const held = await scene.hold(a!)
      const gone = await scene.queueUp(a!, ['gone'], { signal: first.signal })
      const own = await scene.queueUp(a!, ['gone', 'own'])
      const reader = await scene.queueUp(b!, ['gone', 'own', 'reader'], { claim: SHARED })
      await held.downgrade()
      first.abort()
      await gone.rejected()
      await scene.stillWait(own, reader)
      await held.release()
      const written = await own.granted()
      await scene.stillWait(reader)
      await written.downgrade()
      const read = await reader.granted()
      await written.release()
      await read.release()
    },
  )

  suite.test(
    'when the last writer of the same client gives up, a downgraded lock is shared',
    ['downgrade', 'ordered'],
    async (scene) => {
      const [a, b] = await scene.clients(2)
      const controller = new AbortController()
      const held = await scene.hold(a!)
      const own = await scene.queueUp(a!, ['own'], { signal: controller.signal })
      const reader = await scene.queueUp(b!, ['own', 'reader'], { claim: SHARED })
      await held.downgrade()
      await scene.stillWait(own, reader)
      controller.abort()
      await own.rejected()
      const read = await reader.granted()
      const late = await scene.queueUp(a!, ['late'])
      await held.release()
      await scene.stillWait(late)
      await read.release()
      await (await late.granted()).release()
    },
  )

  suite.test('wanted notifies a downgraded holder of a waiting writer', ['downgrade'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const lock = await slocket(scene.resource, scene.options(a!))
    await lock.downgrade()
    const { wanted } = lock
    assert.equal(wanted.aborted, false)
    const writer = await scene.queueUp(b!, ['writer'])
    await eventually(() => Promise.resolve(assert.equal(wanted.aborted, true)))
    await lock.release()
    await (await writer.granted()).release()
  })

  suite.test('a body that has downgraded its lock cannot write any more', ['downgrade'], async (scene) => {
    const options = { ...scene.options(await scene.client()), reentrant: true }
    await slocket.with(scene.resource, options, async (lock) => {
      await lock.downgrade()
      await slocket.with(scene.resource, { ...options, mode: 'shared' }, (nested) => {
        assert.equal(nested.token, lock.token)
      })
      await assert.rejects(
        slocket.with(scene.resource, options, () => {}),
        (error) => isSlocketError(error, 'ERR_SLOCKET_DEADLOCK'),
      )
    })
  })

  suite.test('a nested call that writes loses the lock when the enclosing body downgrades it', ['downgrade'], (scene) =>
    checkNested(scene, 'exclusive'),
  )

  suite.test('a nested call that reads keeps the lock when the enclosing body downgrades it', ['downgrade'], (scene) =>
    checkNested(scene, 'shared'),
  )

  suite.test('a downgrade in a nested call grants no other request', ['downgrade'], async (scene) => {
    const [client, other] = await scene.clients(2)
    const options = { ...scene.options(client!), reentrant: true }
    await slocket.with(scene.resource, options, async (lock) => {
      await slocket.with(scene.resource, options, async (nested) => {
        await nested.downgrade()
        assert.equal(nested.mode, 'shared')
      })
      assert.equal(lock.mode, 'exclusive')
      assert.equal(await slocket.try(scene.resource, { ...scene.options(other!), mode: 'shared' }), null)
    })
  })

  suite.test('a thief takes a downgraded lock from all its holders', ['downgrade', 'steal'], async (scene) => {
    const [a, b, c, d] = await scene.clients(4)
    const lost: string[] = []
    const held = await scene.hold(a!)
    held.grant.onLost(() => lost.push('writer'))
    await held.downgrade()
    const reader = await scene.hold(b!, { claim: SHARED, label: 'reader' })
    reader.grant.onLost(() => lost.push('reader'))
    const waiting = await scene.queueUp(c!, ['waiting'])
    // They lose the lock before the thief has it.
    for (const holder of scene.holders.current) scene.holders.leave(holder)
    const thief = await scene.hold(d!, { steal: true })
    await eventually(() => Promise.resolve(assert.deepEqual(lost.toSorted(), ['reader', 'writer'])))
    await scene.stillWait(waiting)
    await thief.release()
    await (await waiting.granted()).release()
    await held.release()
    await reader.release()
  })
}

async function checkWhoIsLetIn(scene: Scene, client: () => Promise<Engine>): Promise<void> {
  const { ordered } = scene.engine.capabilities
  const held = await scene.hold(await client(), { label: 'x-1' })
  const s1 = await scene.queueUp(await client(), ['s-1'], { claim: SHARED })
  const s2 = await scene.queueUp(await client(), ['s-1', 's-2'], { claim: SHARED })
  const x2 = await scene.queueUp(await client(), ['s-1', 's-2', 'x-2'])
  const s3 = await scene.queueUp(await client(), ['s-1', 's-2', 'x-2', 's-3'], { claim: SHARED })
  await scene.stillWait(s1, s2, x2, s3)
  await held.downgrade()
  const readers = [await s1.granted(), await s2.granted()]
  await scene.showsHeld('x-1', 's-1', 's-2')
  await scene.stillWait(x2)
  if (ordered) await scene.stillWait(s3)
  for (const reader of readers) await reader.release()
  await scene.stillWait(x2)
  await held.release()
  const written = await x2.granted()
  if (ordered) await scene.stillWait(s3)
  await written.release()
  await (await s3.granted()).release()
}

/** The nested call runs while the outer body downgrades its lock. */
async function checkNested(scene: Scene, mode: 'exclusive' | 'shared'): Promise<void> {
  const options = { ...scene.options(await scene.client()), reentrant: true }
  await slocket.with(scene.resource, options, async (lock) => {
    const nested = slocket.with(scene.resource, { ...options, mode }, async (inner) => {
      await lock.downgrade()
      assert.equal(inner.held, mode === 'shared')
      assert.equal(inner.signal.aborted, mode === 'exclusive')
    })
    if (mode === 'shared') await nested
    else await assert.rejects(nested, isLost)
    assert.equal(lock.held, true)
  })
}

function isLost(error: unknown): boolean {
  return isSlocketError(error, 'ERR_SLOCKET_LOST')
}
