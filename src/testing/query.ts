/** Who holds and who waits, as `query` shows it. */
import assert from 'node:assert/strict'
import type { Requester } from '../requests/engine.ts'
import { permitClaim, SHARED } from '../core/claim.ts'
import { slocket } from '../index.ts'
import { eventually, labelsOf } from './scene.ts'
import type { Suite } from './suite.ts'

export function testQuery(suite: Suite): void {
  suite.test('an unused lock shows no holders or waiters', [], async (scene) => {
    const client = await scene.client()
    assert.deepEqual(await client.query(scene.resource), { held: [], pending: [] })
    assert.deepEqual(await slocket.query(scene.resource, { engine: client }), { held: [], pending: [] })
  })

  suite.test(
    'query shows holders and waiters in their order, with everything known about them',
    ['shared', 'ordered'],
    async (scene) => {
      const [a, b] = await scene.clients(2)
      const beforeMs = Date.now()
      const s1 = await scene.hold(a!, { label: 's-1', claim: SHARED })
      const s2 = await scene.hold(b!, { label: 's-2', claim: SHARED })
      const x = await scene.queueUp(a!, ['x'])
      const s3 = await scene.queueUp(b!, ['x', 's-3'], { claim: SHARED })
      const about = (requester: Requester): unknown => [requester.label, requester.claim.kind, requester.self]
      await eventually(async () => {
        const { held, pending } = await a!.query(scene.resource)
        assert.deepEqual(held.map(about), [
          ['s-1', 'shared', true],
          ['s-2', 'shared', false],
        ])
        assert.deepEqual(pending.map(about), [
          ['x', 'exclusive', true],
          ['s-3', 'shared', false],
        ])
        for (const { sinceMs, pid } of [...held, ...pending]) {
          assert.ok(Number.isInteger(pid) && pid! > 0, `pid ${pid}`)
          // Some systems only have whole milliseconds, and the clock of another machine may differ a little.
          assert.ok(Math.abs(sinceMs! - beforeMs) < 60_000, `since ${sinceMs}, asked at ${beforeMs}`)
        }
      })
      await s1.release()
      await s2.release()
      await (await x.granted()).release()
      await (await s3.granted()).release()
    },
  )

  suite.test('query of the API shows mode, permits, label, since and self', ['permits'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const options = { ...scene.options(a!), permits: 1 }
    const lock = await slocket(scene.resource, { ...options, label: 'one' })
    const waiting = slocket(scene.resource, { ...scene.options(b!), permits: 1 })
    await eventually(async () => {
      const { held, pending } = await slocket.query(scene.resource, { engine: a! })
      assert.equal(held.length, 1)
      assert.equal(pending.length, 1)
      assert.equal(held[0]!.mode, 'exclusive')
      assert.equal(held[0]!.permits, 1)
      assert.equal(held[0]!.label, 'one')
      assert.equal(held[0]!.self, true)
      assert.ok(held[0]!.since instanceof Date)
      assert.equal(pending[0]!.self, false)
      assert.equal('label' in pending[0]!, false)
    })
    await lock.release()
    await (await waiting).release()
  })

  suite.test('query shows all holders of permits, and all waiters', ['permits', 'ordered'], async (scene) => {
    const clients = await scene.clients(2)
    const claim = permitClaim(2)
    const held = [
      await scene.hold(clients[0]!, { claim, label: 'p-1' }),
      await scene.hold(clients[1]!, { claim, label: 'p-2' }),
    ]
    const next = await scene.queueUp(clients[0]!, ['p-3'], { claim })
    await scene.showsHeld('p-1', 'p-2')
    await held[0]!.release()
    await next.granted()
    await scene.showsHeld('p-2', 'p-3')
    await held[1]!.release()
    await (await next.granted()).release()
  })

  suite.test('query affects no request', [], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    let isDone = false
    const looking = (async () => {
      while (!isDone) await c!.query(scene.resource)
    })()
    for (let round = 0; round < suite.rounds / 5; round += 1) {
      const held = await scene.hold(a!)
      const next = scene.ask(b!)
      await held.release()
      await (await next.granted()).release()
    }
    isDone = true
    await looking
  })

  suite.test('the holder is shown since its grant, not since its request', ['ordered'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!, { label: 'a' })
    const waiting = await scene.queueUp(b!, ['b'])
    const [asked] = (await b!.query(scene.resource)).pending
    while (Date.now() < asked!.sinceMs! + 20) await scene.query()
    await held.release()
    const next = await waiting.granted()
    await eventually(async () => {
      const [holder] = (await b!.query(scene.resource)).held
      assert.deepEqual(labelsOf([holder!]), ['b'])
      assert.ok(holder!.sinceMs! >= asked!.sinceMs! + 20, `since ${holder!.sinceMs}, asked ${asked!.sinceMs}`)
    })
    await next.release()
  })
}
