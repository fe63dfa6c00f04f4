/** Abort: either the request rejects with the signal's own reason, or the lock is yours. */
import assert from 'node:assert/strict'
import { EXCLUSIVE, permitClaim, SHARED } from '../core/claim.ts'
import { slocket } from '../index.ts'
import { turn } from './random.ts'
import type { Suite } from './suite.ts'

export function testCancelling(suite: Suite): void {
  suite.test('with a signal that has aborted, it rejects with its reason, and leaves nothing', [], async (scene) => {
    const client = await scene.client()
    for (const reason of [new Error('mine'), 'a string', Symbol('a symbol'), null, undefined]) {
      const signal = AbortSignal.abort(reason)
      assert.equal(await scene.ask(client, { signal }).rejected(), signal.reason)
      assert.equal(await scene.ask(client, { signal, wait: false }).rejected(), signal.reason)
      for (const timeout of [undefined, 0, 1000]) {
        const options = { ...scene.options(client), signal, timeout }
        await assert.rejects(slocket(scene.resource, options), (error) => error === signal.reason)
      }
    }
    await scene.checkFreeNow()
  })

  suite.test('if aborted while it waits, it rejects with the reason itself', [], async (scene) => {
    const [holder, other] = await scene.clients(2)
    const held = await scene.hold(holder!)
    for (const client of [other!, holder!]) {
      const controller = new AbortController()
      const waiting = await scene.queueUp(client, ['waiting'], { signal: controller.signal })
      const reason = new Error('enough')
      controller.abort(reason)
      assert.equal(await waiting.rejected(), reason)
      await scene.showsPending()
    }
    await held.release()
    await scene.checkFreeNow()
  })

  suite.test('if aborted before it has joined the queue, it leaves nothing behind', [], async (scene) => {
    const [holder, other] = await scene.clients(2)
    const held = await scene.hold(holder!)
    for (const client of [other!, holder!]) {
      const controller = new AbortController()
      const waiting = scene.ask(client, { signal: controller.signal })
      controller.abort()
      assert.equal(await waiting.rejected(), controller.signal.reason)
    }
    await scene.showsPending()
    await held.release()
    await scene.checkFreeNow()
  })

  suite.test('once the request has rejected, nobody waits for it', ['releasesAtOnce'], async (scene) => {
    const [holder, quitter, latecomer] = await scene.clients(3)
    for (let round = 0; round < 10; round += 1) {
      // This lets the two connect to each other, so that the later request is quick.
      const met = await scene.hold(quitter!)
      const meeting = await scene.queueUp(latecomer!, ['meeting'])
      await met.release()
      await (await meeting.granted()).release()
      const held = await scene.hold(holder!)
      const controller = new AbortController()
      const { lingerMs = 0 } = suite.engine
      const request = { claim: EXCLUSIVE, wait: true, lingerMs, label: 'waiting', signal: controller.signal }
      const waiting = quitter!.acquire(scene.resource, request)
      if (round % 2 === 0) await scene.showsPending('waiting')
      else await turn()
      const attempt = waiting.then(
        () => assert.fail('it was granted'),
        () => {
          // There is no microtask between the rejection, the release and the try.
          const releasing = held.release()
          return { releasing, asking: scene.ask(latecomer!, { wait: false }) }
        },
      )
      controller.abort()
      const { releasing, asking } = await attempt
      await (await asking.granted()).release()
      await releasing
    }
  })

  suite.test('a grant that came before the abort is kept, and can be released', [], async (scene) => {
    const [holder, other] = await scene.clients(2)
    for (let round = 0; round < suite.rounds / 5; round += 1) {
      const held = await scene.hold(holder!)
      const controller = new AbortController()
      const waiting = await scene.queueUp(other!, ['waiting'], { signal: controller.signal })
      await held.release()
      controller.abort()
      const outcome = await waiting.settled
      if (outcome.kind === 'granted') await outcome.held.release()
      await scene.checkFreeNow()
    }
  })

  suite.test('an abort after the grant changes nothing', [], async (scene) => {
    const [client, other] = await scene.clients(2)
    const controller = new AbortController()
    const held = await scene.hold(client!, { signal: controller.signal })
    const waitingLonger = new AbortController()
    const next = scene.ask(client!, { signal: waitingLonger.signal })
    controller.abort()
    await turn()
    await scene.ask(other!, { wait: false }).refused()
    await held.release()
    const nextHeld = await next.granted()
    waitingLonger.abort()
    await scene.ask(other!, { wait: false }).refused()
    await nextHeld.release()
  })

  suite.test('a thousand waits aborted at once all reject, and leave nothing behind', [], async (scene) => {
    const clients = await scene.clients(5)
    const held = await scene.hold(clients[0]!)
    const controller = new AbortController()
    const askings = Array.from({ length: 1000 }, (_, index) =>
      scene.ask(clients[index % 5]!, { signal: controller.signal }),
    )
    await turn()
    const reason = new Error('all of you')
    controller.abort(reason)
    for (const asking of askings) assert.equal(await asking.rejected(), reason)
    await scene.showsPending()
    await held.release()
  })

  suite.test('a thousand waits aborted at once leave the waits without a signal', ['ordered'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!, { label: 'holder' })
    const controller = new AbortController()
    const many = { length: 500 }
    const crowdBefore = Array.from(many, () => scene.ask(a!, { signal: controller.signal }))
    const first = scene.ask(a!, { label: 'first' })
    const second = scene.ask(b!, { label: 'second' })
    const crowdAfter = Array.from(many, () => scene.ask(b!, { signal: controller.signal }))
    await turn()
    controller.abort()
    for (const asking of [...crowdBefore, ...crowdAfter]) await asking.rejected()
    await held.release()
    // It isn't known which of the two had its place first: no test has looked.
    await Promise.all([first, second].map(async (asking) => (await asking.granted()).release()))
  })

  suite.test('no request is granted too early when a shared request gives up', ['shared', 'ordered'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const writer = await scene.hold(a!)
    const controller = new AbortController()
    const quitter = await scene.queueUp(b!, ['reader'], { claim: SHARED, signal: controller.signal })
    const next = await scene.queueUp(c!, ['reader', 'next'])
    controller.abort()
    await quitter.rejected()
    await scene.showsPending('next')
    await scene.stillWait(next)
    await writer.release()
    await (await next.granted()).release()
  })

  suite.test('a request for a permit that gives up keeps no permit', ['permits'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const claim = permitClaim(2)
    const held = [await scene.hold(a!, { claim }), await scene.hold(b!, { claim })]
    for (let round = 0; round < suite.rounds / 5; round += 1) {
      const controller = new AbortController()
      const asking = scene.ask(a!, { claim, signal: controller.signal })
      if (round % 2 === 0) await scene.query()
      controller.abort()
      await asking.rejected()
    }
    await held.shift()!.release()
    held.push(await scene.hold(b!, { claim }))
    for (const one of held) await one.release()
  })
}
