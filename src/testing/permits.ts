/** Permits: up to n requests hold at once. */
import assert from 'node:assert/strict'
import { EXCLUSIVE, permitClaim, SHARED } from '../core/claim.ts'
import type { Claim } from '../core/claim.ts'
import { isSlocketError } from '../errors.ts'
import { slocket } from '../index.ts'
import type { Held } from './asking.ts'
import { breathe } from './random.ts'
import type { Suite } from './suite.ts'

export function testPermits(suite: Suite): void {
  suite.testRandomly('no more hold than there are permits, and all are served', ['permits'], async (scene, random) => {
    const clients = await scene.clients(3)
    const claim = permitClaim(3)
    let most = 0
    let granted = 0
    let meet: (() => void) | undefined
    // However quick the others are, the first three hold at the same time.
    const meeting = new Promise<void>((resolve) => (meet = resolve))
    await Promise.all(
      Array.from({ length: suite.rounds }, async (_, index) => {
        const held = await scene.hold(clients[index % 3]!, { claim })
        most = Math.max(most, scene.holders.current.size)
        granted += 1
        if (granted === 3) meet!()
        if (granted <= 3) await meeting
        await breathe(random)
        await held.release()
      }),
    )
    assert.equal(scene.holders.history.length, suite.rounds)
    assert.equal(most, 3)
  })

  for (const permits of [1, 2, 5]) {
    suite.test(`${permits} of ${permits} permits can be held, and the next one waits`, ['permits'], async (scene) => {
      const clients = await scene.clients(2)
      const claim = permitClaim(permits)
      const held: Held[] = []
      for (let index = 0; index < permits; index += 1) held.push(await scene.hold(clients[index % 2]!, { claim }))
      await scene.ask(clients[0]!, { claim, wait: false }).refused()
      const next = await scene.queueUp(clients[1]!, ['next'], { claim })
      await scene.stillWait(next)
      await held.pop()!.release()
      held.push(await next.granted())
      for (const one of held) await one.release()
    })
  }

  suite.test('permits are granted first come, first served', ['permits', 'ordered'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const claim = permitClaim(2)
    const held = [await scene.hold(a!, { claim }), await scene.hold(b!, { claim })]
    const labels: string[] = []
    const askings = []
    for (const client of [c!, a!, b!, c!, a!]) {
      labels.push(`waiter-${labels.length}`)
      askings.push(await scene.queueUp(client, labels, { claim }))
    }
    for (const [index, asking] of askings.entries()) {
      await scene.stillWait(...askings.slice(index))
      await held.splice(index % 2, 1)[0]!.release()
      held.push(await asking.granted())
    }
    for (const one of held) await one.release()
    assert.deepEqual(scene.holders.history.slice(2), labels)
  })

  suite.test(
    'hundreds of requests for permits that came first are all served first',
    ['permits', 'ordered'],
    async (scene) => {
      const [crowd, loner] = await scene.clients(2)
      const claim = permitClaim(3)
      // One place of the crowd's client is for the request that comes late.
      const length = Math.min(10 * suite.rounds, 500, (suite.engine.capabilities.places ?? Infinity) - 1)
      const askings = Array.from({ length }, (_, index) => scene.ask(crowd!, { label: `crowd-${index}`, claim }))
      const labels = askings.map(({ label }) => label)
      const held: Held[] = []
      for (const asking of askings.slice(0, 3)) held.push(await asking.granted())
      const waiting = labels.slice(3)
      await scene.showsPending(...waiting)
      const last = await scene.queueUp(loner!, [...waiting, 'loner'], { claim })
      const late = await scene.queueUp(crowd!, [...waiting, 'loner', 'late'], { claim })
      for (const asking of [...askings.slice(3), last, late]) {
        await held.shift()!.release()
        held.push(await asking.granted())
      }
      for (const one of held) await one.release()
      assert.deepEqual(scene.holders.history, [...labels, 'loner', 'late'])
    },
  )

  suite.test(
    'if a waiter for a permit gives up, the order of the others stays',
    ['permits', 'ordered'],
    async (scene) => {
      const [a, b, c, d] = await scene.clients(4)
      const claim = permitClaim(2)
      const held = [await scene.hold(a!, { claim }), await scene.hold(b!, { claim })]
      const controller = new AbortController()
      const quitter = await scene.queueUp(c!, ['quitter'], { claim, signal: controller.signal })
      const stayer = await scene.queueUp(d!, ['quitter', 'stayer'], { claim })
      controller.abort()
      await quitter.rejected()
      await scene.stillWait(stayer)
      await held[0]!.release()
      await (await stayer.granted()).release()
      await held[1]!.release()
    },
  )

  suite.test('a lock with permits shows how many', ['permits'], async (scene) => {
    const options = { ...scene.options(await scene.client()), permits: 2 }
    const lock = await slocket(scene.resource, options)
    assert.equal(lock.permits, 2)
    assert.equal(lock.take, 1)
    assert.equal(lock.mode, 'exclusive')
    const other = await slocket.try(scene.resource, options)
    assert.notEqual(other, null)
    assert.equal(await slocket.try(scene.resource, options), null)
    await lock.release()
    await other!.release()
  })

  const otherNumber: readonly [string, Claim, Claim] = ['another number of permits', permitClaim(2), permitClaim(3)]
  const mismatches: readonly (readonly [string, Claim, Claim])[] = [
    ...(suite.engine.capabilities.take === true ? [] : [otherNumber]),
    ['permits behind an exclusive holder', EXCLUSIVE, permitClaim(2)],
    ['permits behind a shared holder', SHARED, permitClaim(2)],
    ['an exclusive claim behind permits', permitClaim(2), EXCLUSIVE],
    ['a shared claim behind permits', permitClaim(2), SHARED],
  ]
  for (const [name, first, second] of mismatches) {
    suite.test(`${name}: a claim mismatch, which leaves nothing behind`, ['permits', 'shared'], async (scene) => {
      const [holder, other] = await scene.clients(2)
      const held = await scene.hold(holder!, { claim: first, label: 'holder' })
      for (const client of [other!, holder!]) {
        for (const wait of [true, false]) {
          const reason = await scene.ask(client, { claim: second, wait }).rejected()
          assert.ok(isSlocketError(reason, 'ERR_SLOCKET_CLAIM_MISMATCH'), String(reason))
        }
      }
      await scene.showsHeld('holder')
      await scene.showsPending()
      await held.release()
      await (await scene.hold(other!, { claim: second, wait: false })).release()
    })
  }
}
