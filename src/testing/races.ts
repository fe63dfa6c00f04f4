/** An abort at the very moment of the grant, at the join, and at the release of another holder. */
import assert from 'node:assert/strict'
import type { Claim } from '../core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../core/claim.ts'
import type { Asking } from './asking.ts'
import type { Random } from './random.ts'
import { breathe } from './random.ts'
import type { Scene } from './scene.ts'
import type { Need, Suite } from './suite.ts'

export function testRaces(suite: Suite): void {
  const claims: readonly (readonly [string, Claim, readonly Need[]])[] = [
    ['exclusive', EXCLUSIVE, []],
    ['shared', SHARED, ['shared']],
    ['permit', permitClaim(1), ['permits']],
  ]
  for (const [name, claim, needs] of claims) {
    const holding: Claim = claim.kind === 'permit' ? claim : EXCLUSIVE
    for (const kind of ['another client', 'the same client'] as const) {
      suite.testRandomly(
        `${name}: aborted at the moment of the grant by ${kind}, it rejects or owns`,
        needs,
        async (scene, random) => {
          const [a, b] = await scene.clients(2)
          const waiter = kind === 'another client' ? b! : a!
          for (let round = 0; round < suite.rounds; round += 1) {
            const controller = new AbortController()
            const held = await scene.hold(a!, { claim: holding })
            const waiting = scene.ask(waiter, { claim, signal: controller.signal })
            if (random.chance(0.7)) await scene.showsPending(waiting.label)
            const releasing = Promise.resolve(
              random.chance(0.5) ? held.release() : breathe(random).then(() => held.release()),
            )
            await breathe(random)
            controller.abort(new Error(`round ${round}`))
            await releasing
            await releaseOrRejected(waiting, controller.signal)
          }
        },
      )
    }
  }

  suite.testRandomly('aborted while the one behind is waiting, it lets that one in', [], async (scene, random) => {
    const [a, b, c] = await scene.clients(3)
    for (let round = 0; round < suite.rounds; round += 1) {
      const controller = new AbortController()
      const held = await scene.hold(a!)
      const waiting = scene.ask(b!, { signal: controller.signal })
      const behind = scene.ask(c!)
      await breathe(random)
      const releasing = held.release()
      await breathe(random)
      controller.abort()
      await releasing
      await Promise.all([
        releaseOrRejected(waiting, controller.signal),
        behind.granted().then((next) => next.release()),
      ])
    }
  })

  suite.testRandomly('clients that come, give up and leave at once leak nothing', [], async (scene, random) => {
    const clients = await scene.clients(3)
    for (let round = 0; round < suite.rounds; round += 1) await comeAndGo(scene, clients.length, random)

    async function comeAndGo(within: Scene, count: number, choices: Random): Promise<void> {
      const controllers = Array.from({ length: count * 2 }, () => new AbortController())
      await Promise.all(
        controllers.map(async (controller, index) => {
          await breathe(choices)
          const asking = within.ask(clients[index % count]!, { signal: controller.signal })
          await breathe(choices)
          if (choices.chance(0.6)) controller.abort()
          await releaseOrRejected(asking, controller.signal)
        }),
      )
    }
  })
}

/** Either the request rejects with the signal's reason itself, or it was granted. */
async function releaseOrRejected(asking: Asking, signal: AbortSignal): Promise<void> {
  const outcome = await asking.settled
  if (outcome.kind === 'granted') {
    await outcome.held.release()
  } else {
    assert.equal(outcome.kind, 'rejected')
    assert.equal(await asking.rejected(), signal.reason)
  }
}
