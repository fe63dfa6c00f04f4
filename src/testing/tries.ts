/** Tries: they never wait for a holder, and never miss a free lock. */
import assert from 'node:assert/strict'
import { permitClaim, SHARED } from '../core/claim.ts'
import { slocket } from '../index.ts'
import type { Asking } from './asking.ts'
import { breathe } from './random.ts'
import type { Suite } from './suite.ts'

export function testTries(suite: Suite): void {
  suite.test('a try is refused while another holds, and gets a free lock', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    for (const [holder, trier] of [
      [a!, b!],
      [a!, a!],
    ] as const) {
      const held = await scene.hold(holder)
      await scene.ask(trier, { wait: false }).refused()
      await scene.ask(trier, { wait: false }).refused()
      await held.release()
      await (await scene.hold(trier, { wait: false })).release()
    }
  })

  suite.test('a refused try leaves nothing in the queue', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!, { label: 'holder' })
    for (let count = 0; count < 10; count += 1) {
      await scene.ask(b!, { wait: false }).refused()
      await scene.ask(a!, { wait: false }).refused()
    }
    const { pending } = await scene.query()
    assert.deepEqual(pending, [])
    await held.release()
  })

  suite.test('a try does not overtake a waiter', ['shared', 'ordered'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const reader = await scene.hold(a!, { claim: SHARED })
    const writer = await scene.queueUp(b!, ['writer'])
    for (const client of [a!, b!, c!]) await scene.ask(client, { claim: SHARED, wait: false }).refused()
    await reader.release()
    await (await writer.granted()).release()
  })

  for (const count of [2, 3]) {
    suite.testRandomly(
      `of ${count} tries for a free lock, exactly one gets it (clients)`,
      [],
      async (scene, random) => {
        const clients = await scene.clients(count)
        for (let round = 0; round < suite.rounds; round += 1) {
          const tries = await Promise.all(
            clients.map(async (client) => {
              await breathe(random, 1)
              const asking = scene.ask(client, { wait: false })
              await asking.settled
              return asking
            }),
          )
          await releaseWinners(tries, `round ${round}`)
          scene.holders.check()
        }
      },
    )
  }

  suite.test('of many tries at once for a free lock, exactly one gets it (one client)', [], async (scene) => {
    const client = await scene.client()
    for (let round = 0; round < suite.rounds; round += 1) {
      const tries = Array.from({ length: 5 }, () => scene.ask(client, { wait: false }))
      await Promise.all(tries.map((asking) => asking.settled))
      assert.equal(await releaseWinners(tries, `round ${round}`), 1)
    }
  })

  suite.test('shared tries all get it, within one client and among clients', ['shared'], async (scene) => {
    const clients = await scene.clients(2)
    for (let round = 0; round < suite.rounds / 4; round += 1) {
      const tries = [...clients, ...clients].map((client) => scene.ask(client, { claim: SHARED, wait: false }))
      await Promise.all(tries.map((asking) => asking.settled))
      assert.equal(await releaseWinners(tries, `round ${round}`), 4)
    }
  })

  suite.test('as many tries for permits succeed as there are permits', ['permits'], async (scene) => {
    const client = await scene.client()
    const claim = permitClaim(2)
    for (let round = 0; round < suite.rounds / 4; round += 1) {
      const two = [scene.ask(client, { claim, wait: false }), scene.ask(client, { claim, wait: false })]
      await Promise.all(two.map((asking) => asking.settled))
      assert.equal(await releaseWinners(two, `round ${round}, two tries`), 2)
      const four = Array.from({ length: 4 }, () => scene.ask(client, { claim, wait: false }))
      await Promise.all(four.map((asking) => asking.settled))
      assert.equal(await releaseWinners(four, `round ${round}, four tries`), 2)
    }
  })

  suite.test('slocket.try gives null or a lock', [], async (scene) => {
    const [a, b] = await scene.clients(2)
    const lock = await slocket.try(scene.resource, scene.options(a!))
    assert.equal(lock?.held, true)
    assert.equal(await slocket.try(scene.resource, scene.options(b!)), null)
    assert.equal(await slocket.try(scene.resource, scene.options(a!)), null)
    await lock.release()
    const next = await slocket.try(scene.resource, scene.options(b!))
    assert.equal(next?.held, true)
    await next.release()
  })
}

/** Releases all granted locks, of which there must be at least one, and returns their number. */
async function releaseWinners(tries: readonly Asking[], when: string): Promise<number> {
  let winners = 0
  for (const { outcome } of tries) {
    if (outcome.kind === 'rejected') throw outcome.reason
    if (outcome.kind !== 'granted') continue
    winners += 1
    await outcome.held.release()
  }
  assert.ok(winners > 0, `${when}: all tries for a free lock were refused`)
  return winners
}
