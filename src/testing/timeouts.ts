/** Timeouts, which the API implements: the engine only sees an abort, or a try. */
import assert from 'node:assert/strict'
import type { SlocketError } from '../errors.ts'
import { isSlocketError } from '../errors.ts'
import { slocket } from '../index.ts'
import type { Lock } from '../lock.ts'
import { eventually } from './scene.ts'
import type { Suite } from './suite.ts'

const isTimeout = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')

export function testTimeouts(suite: Suite): void {
  suite.test('with timeout 0, a free lock is acquired, and a held lock is a timeout', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    const lock = await slocket(scene.resource, { ...scene.options(a!), timeout: 0 })
    for (const client of [b!, a!]) {
      await assert.rejects(slocket(scene.resource, { ...scene.options(client), timeout: 0 }), isTimeout)
    }
    await lock.release()
    await (await slocket(scene.resource, { ...scene.options(b!), timeout: 0 })).release()
  })

  suite.test('a wait ends after its timeout, and leaves nothing behind', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!)
    for (const client of [b!, a!]) {
      for (const timeout of [1, 5, 50]) {
        await assert.rejects(slocket(scene.resource, { ...scene.options(client), timeout }), isTimeout)
      }
    }
    await scene.showsPending()
    await held.release()
    await scene.checkFreeNow()
  })

  suite.test('a timeout says who holds, and how many wait ahead', [], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const lock = await slocket(scene.resource, { ...scene.options(a!), label: 'the holder' })
    const waiting = await scene.queueUp(b!, ['ahead'])
    // This connects the client: a timeout does not wait for that.
    await c!.query(scene.resource)
    // A holder has only a moment to say what its label is, and may be too busy for that.
    await eventually(() =>
      assert.rejects(slocket(scene.resource, { ...scene.options(c!), timeout: 1000 }), (error: Error) => {
        assert.ok(isTimeout(error))
        assert.match(error.message, /'the holder'/)
        assert.match(error.message, /1 waiting ahead/)
        const { path, held, ahead } = error as SlocketError
        assert.deepEqual([path, held?.map(({ label }) => label), ahead], [scene.resource, ['the holder'], 1])
        return true
      }),
    )
    await lock.release()
    await (await waiting.granted()).release()
  })

  suite.test('a timeout that does not expire changes nothing', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!)
    const waiting = slocket(scene.resource, { ...scene.options(b!), timeout: 2 ** 31 - 1, label: 'waiting' })
    await scene.showsPending('waiting')
    await held.release()
    await (await waiting).release()
  })

  suite.test('if aborted before its timeout, it rejects with the reason itself', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!)
    const controller = new AbortController()
    const options = { ...scene.options(b!), timeout: 2 ** 31 - 1, signal: controller.signal, label: 'waiting' }
    const waiting = slocket(scene.resource, options)
    waiting.catch(() => undefined)
    await scene.showsPending('waiting')
    const reason = new Error('enough')
    controller.abort(reason)
    await assert.rejects(waiting, (error) => error === reason)
    await held.release()
  })

  suite.testRandomly('a timeout at the moment of the grant is either, and leaks nothing', [], async (scene, random) => {
    const [a, b] = await scene.clients(2)
    for (let round = 0; round < suite.rounds; round += 1) {
      const held = await scene.hold(a!)
      const timeout = random.below(4)
      const waiting: Promise<unknown> = slocket(scene.resource, { ...scene.options(b!), timeout }).catch(
        (error: unknown) => error,
      )
      await new Promise((resolve) => setTimeout(resolve, random.below(4)))
      await held.release()
      const outcome = await waiting
      if (typeof outcome === 'object' && outcome !== null && 'release' in outcome) await (outcome as Lock).release()
      else assert.ok(isTimeout(outcome), String(outcome))
    }
  })
}
