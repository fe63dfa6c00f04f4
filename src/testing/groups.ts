/** Requests of one client share a place in the queue as long as no other client stands behind it, and no longer. */
import assert from 'node:assert/strict'
import { SHARED } from '../core/claim.ts'
import type { Suite } from './suite.ts'

/** The number of requests for each round of a race. */
const MANY = 10
/** A query need not show more requests of one client than this. */
const MOST = 500

export function testGroups(suite: Suite): void {
  suite.test('hundreds of requests that came first are all served first', ['ordered'], async (scene) => {
    const [crowd, loner] = await scene.clients(2)
    // No more than can have a place.
    const length = Math.min(MANY * suite.rounds, MOST, suite.engine.capabilities.places ?? Infinity)
    const askings = Array.from({ length }, (_, index) => scene.ask(crowd!, { label: `crowd-${index}` }))
    const labels = askings.map(({ label }) => label)
    const first = await askings[0]!.granted()
    const waiting = labels.slice(1)
    await scene.showsPending(...waiting)
    const last = await scene.queueUp(loner!, [...waiting, 'loner'])
    await first.release()
    for (const asking of askings.slice(1)) await (await asking.granted()).release()
    assert.equal(last.isSettled && last.outcome.kind !== 'granted', false)
    await (await last.granted()).release()
    assert.deepEqual(scene.holders.history, [...labels, 'loner'])
  })

  suite.test('once another client stands behind, later requests queue behind it', ['ordered'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!, { label: 'a-1' })
    const a2 = await scene.queueUp(a!, ['a-2'])
    const b1 = await scene.queueUp(b!, ['a-2', 'b-1'])
    const a3 = await scene.queueUp(a!, ['a-2', 'b-1', 'a-3'])
    const a4 = await scene.queueUp(a!, ['a-2', 'b-1', 'a-3', 'a-4'])
    const b2 = await scene.queueUp(b!, ['a-2', 'b-1', 'a-3', 'a-4', 'b-2'])
    await held.release()
    for (const asking of [a2, b1, a3, a4, b2]) await (await asking.granted()).release()
    assert.deepEqual(scene.holders.history, ['a-1', 'a-2', 'b-1', 'a-3', 'a-4', 'b-2'])
  })

  suite.test('a client that never stops asking does not keep the others out', ['ordered'], async (scene) => {
    const [greedy, modest] = await scene.clients(2)
    let isDone = false
    const worker = async (): Promise<void> => {
      while (!isDone) await (await scene.hold(greedy!, { label: 'greedy' })).release()
    }
    const workers = Array.from({ length: 10 }, worker)
    for (let round = 0; round < 10; round += 1) await (await scene.hold(modest!, { label: 'modest' })).release()
    isDone = true
    await Promise.all(workers)
  })

  suite.test('a request that gives up among many affects none of the others', [], async (scene) => {
    const client = await scene.client()
    const controllers = Array.from({ length: 100 }, () => new AbortController())
    const held = await scene.hold(client)
    const askings = controllers.map(({ signal }) => scene.ask(client, { signal }))
    for (let index = 0; index < 100; index += 2) controllers[index]!.abort()
    await held.release()
    for (const [index, asking] of askings.entries()) {
      if (index % 2 === 0) assert.equal(await asking.rejected(), controllers[index]!.signal.reason)
      else await (await asking.granted()).release()
    }
  })

  suite.test(
    'shared requests of one client have a place apart from its exclusive ones',
    ['shared', 'ordered'],
    async (scene) => {
      const client = await scene.client()
      const writer = await scene.hold(client, { label: 'x-1' })
      const s1 = await scene.queueUp(client, ['s-1'], { claim: SHARED })
      const s2 = await scene.queueUp(client, ['s-1', 's-2'], { claim: SHARED })
      const x2 = await scene.queueUp(client, ['s-1', 's-2', 'x-2'])
      const s3 = await scene.queueUp(client, ['s-1', 's-2', 'x-2', 's-3'], { claim: SHARED })
      await writer.release()
      const readers = [await s1.granted(), await s2.granted()]
      await scene.stillWait(x2, s3)
      for (const reader of readers) await reader.release()
      const second = await x2.granted()
      await scene.stillWait(s3)
      await second.release()
      await (await s3.granted()).release()
    },
  )
}
