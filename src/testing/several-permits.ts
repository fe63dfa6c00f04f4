/** Several permits at once, and requests with different numbers of permits. */
import assert from 'node:assert/strict'
import { permitClaim } from '../core/claim.ts'
import type { Claim } from '../core/claim.ts'
import type { Engine } from '../requests/engine.ts'
import { slocket } from '../index.ts'
import type { Scene } from './scene.ts'
import type { Suite } from './suite.ts'

/** Which of two clients makes each request of a test, in their order. */
const WHO: readonly (readonly [string, readonly number[]])[] = [
  ['of one client', [0]],
  ['of two clients', [0, 1]],
]

export function testSeveralPermits(suite: Suite): void {
  for (const [whose, turns] of WHO) {
    const test = (name: string, body: (scene: Scene, clientOf: (index: number) => Engine) => Promise<void>): void =>
      suite.test(`${name}: requests ${whose}`, ['permits', 'take', 'ordered'], async (scene) => {
        const clients = await scene.clients(2)
        await body(scene, (index) => clients[turns[index % turns.length]!]!)
      })

    test('a request takes as many permits as it asks for, and releases them together', async (scene, clientOf) => {
      const three = await scene.hold(clientOf(0), { claim: permitClaim(5, 3), label: 'three' })
      const two = await scene.hold(clientOf(1), { claim: permitClaim(5, 2), label: 'two' })
      await scene.ask(clientOf(0), { claim: permitClaim(5), wait: false }).refused()
      await two.release()
      await scene.ask(clientOf(1), { claim: permitClaim(5, 3), wait: false }).refused()
      await (await scene.hold(clientOf(1), { claim: permitClaim(5, 2), wait: false })).release()
      await three.release()
      await (await scene.hold(clientOf(1), { claim: permitClaim(5, 5), wait: false })).release()
    })

    test('a request for many permits is not overtaken by requests for few', async (scene, clientOf) => {
      const one = permitClaim(3)
      const held = [await scene.hold(clientOf(0), { claim: one }), await scene.hold(clientOf(1), { claim: one })]
      const many = await scene.queueUp(clientOf(0), ['many'], { claim: permitClaim(3, 3) })
      const few = await scene.queueUp(clientOf(1), ['many', 'few'], { claim: one })
      const late = await scene.queueUp(clientOf(0), ['many', 'few', 'late'], { claim: one })
      await scene.ask(clientOf(1), { claim: one, wait: false }).refused()
      await scene.stillWait(many, few, late)
      await held[0]!.release()
      await scene.stillWait(many, few, late)
      await held[1]!.release()
      const holdsAll = await many.granted()
      await scene.stillWait(few, late)
      await holdsAll.release()
      await (await few.granted()).release()
      await (await late.granted()).release()
    })

    test('if a request for many gives up, the requests behind it go on', async (scene, clientOf) => {
      const held = await scene.hold(clientOf(0), { claim: permitClaim(3) })
      const controller = new AbortController()
      const many = await scene.queueUp(clientOf(1), ['many'], { claim: permitClaim(3, 3), signal: controller.signal })
      const few = await scene.queueUp(clientOf(0), ['many', 'few'], { claim: permitClaim(3) })
      const alike = await scene.queueUp(clientOf(1), ['many', 'few', 'alike'], { claim: permitClaim(3) })
      await scene.stillWait(few, alike)
      controller.abort()
      await many.rejected()
      const others = [await few.granted(), await alike.granted()]
      for (const one of [held, ...others]) await one.release()
    })

    test('a larger number of permits takes effect at once', async (scene, clientOf) => {
      const held = [
        await scene.hold(clientOf(0), { claim: permitClaim(2) }),
        await scene.hold(clientOf(1), { claim: permitClaim(2) }),
      ]
      await scene.ask(clientOf(0), { claim: permitClaim(2), wait: false }).refused()
      held.push(await scene.hold(clientOf(1), { claim: permitClaim(4, 2), wait: false }))
      await scene.ask(clientOf(0), { claim: permitClaim(4), wait: false }).refused()
      held.push(await scene.hold(clientOf(0), { claim: permitClaim(5) }))
      for (const one of held) await one.release()
    })

    test('a smaller number of permits takes effect once few enough are held', async (scene, clientOf) => {
      const held = []
      for (let index = 0; index < 4; index += 1) {
        held.push(await scene.hold(clientOf(index), { claim: permitClaim(4) }))
      }
      const small = await scene.queueUp(clientOf(0), ['small'], { claim: permitClaim(2) })
      // It would have room, but no request overtakes another.
      const large = await scene.queueUp(clientOf(1), ['small', 'large'], { claim: permitClaim(9) })
      await scene.ask(clientOf(0), { claim: permitClaim(9), wait: false }).refused()
      await held.pop()!.release()
      await held.shift()!.release()
      await scene.stillWait(small, large)
      await held.pop()!.release()
      const others = [await small.granted(), await large.granted()]
      for (const one of [...held, ...others]) await one.release()
    })

    test('a request has its permits as soon as there is room for it and for the requests ahead', async (scene, clientOf) => {
      const held = await scene.hold(clientOf(0), { claim: permitClaim(1) })
      const claims: readonly Claim[] = [permitClaim(6, 2), permitClaim(3), permitClaim(6, 3), permitClaim(7)]
      const labels: string[] = []
      const askings = []
      const first = await scene.queueUp(clientOf(1), ['first'], { claim: permitClaim(1) })
      labels.push('first')
      for (const [index, claim] of claims.entries()) {
        labels.push(`waiter-${index}`)
        askings.push(await scene.queueUp(clientOf(index), labels, { claim }))
      }
      await held.release()
      const all = [await first.granted()]
      // One beside two, one, three and one.
      all.push(await askings[0]!.granted())
      await scene.stillWait(...askings.slice(1))
      await all[0]!.release()
      for (const asking of askings.slice(1)) all.push(await asking.granted())
      await Promise.all(all.slice(1).map(async (one) => await one.release()))
    })
  }

  suite.test('a lock shows how many permits it holds, and so does a query', ['permits', 'take'], async (scene) => {
    const options = { ...scene.options(await scene.client()), permits: 7 }
    const lock = await slocket(scene.resource, { ...options, take: 3 })
    assert.deepEqual([lock.permits, lock.take], [7, 3])
    const other = await slocket.try(scene.resource, { ...options, permits: 8, take: 4 })
    assert.deepEqual([other?.permits, other?.take], [8, 4])
    const waiting = slocket(scene.resource, { ...options, take: 5, label: 'waiting' })
    await scene.showsPending('waiting')
    const { held, pending } = await slocket.query(scene.resource, { engine: await scene.client() })
    assert.deepEqual(
      [...held, ...pending].map(({ permits, take }) => [permits, take]),
      [
        [7, 3],
        [8, 4],
        [7, 5],
      ],
    )
    await lock.release()
    await other!.release()
    await (await waiting).release()
  })
}
