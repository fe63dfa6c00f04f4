/**
 * Random programs: many clients acquire, hold, give up and release, and a checker watches.
 *
 *  1. Holders that must not hold together don't (holders.ts).
 *  2. No request is granted before a request ahead of it whose claim forbids that, nor before a request ahead that takes permits and can't have had them yet. A
 *     request is ahead if it was seen in the queue before the other was made: all requests between two looks at the whole queue form one generation.
 *  3. Every client that does not give up is served in the end, and the lock is free after all of them.
 */
import assert from 'node:assert/strict'
import type { Engine } from '../requests/engine.ts'
import type { Claim } from '../core/claim.ts'
import { describeClaim, EXCLUSIVE, permitClaim, SHARED, weightOf } from '../core/claim.ts'
import type { Asking } from './asking.ts'
import { breathe } from './random.ts'
import type { Random } from './random.ts'
import { eventually, labelsOf } from './scene.ts'
import type { Scene } from './scene.ts'
import type { Suite } from './suite.ts'

export function testRandomPrograms(suite: Suite): void {
  const variants = Math.max(1, Math.round(suite.rounds / 20))
  for (let variant = 0; variant < variants; variant += 1) {
    suite.testRandomly(
      `a random program of exclusive and shared claims`,
      ['shared'],
      (scene, random) => new Program(scene, random, [EXCLUSIVE, EXCLUSIVE, SHARED, SHARED, SHARED]).run(suite.rounds),
      variant,
    )
    suite.testRandomly(
      `a random program of exclusive claims`,
      [],
      (scene, random) => new Program(scene, random, [EXCLUSIVE]).run(suite.rounds),
      variant,
    )
    suite.testRandomly(
      `a random program of permits`,
      ['permits'],
      (scene, random) => new Program(scene, random, [permitClaim(1 + random.below(4))]).run(suite.rounds),
      variant,
    )
    suite.testRandomly(
      `a random program of permits, several at once and of different numbers`,
      ['permits', 'take'],
      (scene, random) => new Program(scene, random, severalPermits(random)).run(suite.rounds),
      variant,
    )
  }
}

/** Most requests have the same number of permits, and take few. */
function severalPermits(random: Random): Claim[] {
  const permits = 2 + random.below(5)
  const [few, some, other] = [permits, permits, 1 + random.below(2 * permits)].map((most) => 1 + random.below(most))
  return [
    permitClaim(permits),
    permitClaim(permits, few),
    permitClaim(permits, some),
    permitClaim(other!),
    permitClaim(other!, 1 + random.below(other!)),
  ]
}

interface Actor {
  readonly asking: Asking
  /** The claim of its request, or the shared one after a downgrade. */
  claim: Claim
  readonly generation: number
  readonly waits: boolean
  hasGivenUp: boolean
  isHolding: boolean
}

class Program {
  readonly #scene: Scene
  readonly #random: Random
  readonly #claims: readonly Claim[]
  readonly #actors: Actor[] = []
  readonly #steps: string[] = []
  readonly #violations: string[] = []
  readonly #downgrades: boolean
  #generation = 0

  constructor(scene: Scene, random: Random, claims: readonly Claim[]) {
    this.#scene = scene
    this.#random = random
    this.#claims = claims
    this.#downgrades = scene.engine.capabilities.downgrade === true && claims.includes(SHARED)
  }

  async run(requests: number): Promise<void> {
    const clients = await this.#scene.clients(2 + this.#random.below(4))
    const acting: Promise<void>[] = []
    for (let count = 0; count < requests; count += 1) {
      acting.push(this.#act(this.#random.pick(clients), `r-${count}`))
      if (this.#random.chance(0.5)) await breathe(this.#random)
      if (this.#random.chance(0.1)) await this.#beginGeneration()
    }
    await Promise.all(acting)
    const violations = [...this.#violations, ...this.#scene.holders.violations]
    assert.deepEqual(violations, [], `after these steps:\n${this.#steps.join('\n')}`)
  }

  /** One request, from its beginning to its end. */
  async #act(client: Engine, label: string): Promise<void> {
    const random = this.#random
    const controller = new AbortController()
    const claim = random.pick(this.#claims)
    const waits = random.chance(0.85)
    const asking = this.#scene.ask(client, { label, claim, wait: waits, signal: controller.signal })
    const actor: Actor = { asking, claim, generation: this.#generation, waits, hasGivenUp: false, isHolding: false }
    this.#actors.push(actor)
    this.#steps.push(`${label} asks${waits ? '' : ' by a try'}: ${describeClaim(claim)}`)
    const givingUp = random.chance(0.25) ? this.#giveUp(actor, controller) : undefined
    const outcome = await asking.settled
    this.#steps.push(`${label}: ${outcome.kind}`)
    switch (outcome.kind) {
      case 'granted':
        actor.isHolding = true
        this.#checkOrder(actor)
        await breathe(random)
        if (this.#downgrades && claim.kind === 'exclusive' && random.chance(0.3)) {
          this.#steps.push(`${label} is downgraded`)
          actor.claim = SHARED
          const downgrading = outcome.held.downgrade()
          if (random.chance(0.8)) await downgrading
          await breathe(random)
        }
        actor.isHolding = false
        this.#steps.push(`${label} releases`)
        await outcome.held.release()
        break
      case 'rejected':
        if (!actor.hasGivenUp || outcome.reason !== controller.signal.reason) {
          this.#violations.push(`${label} rejects: ${String(outcome.reason)}`)
        }
        break
      case 'refused':
        if (waits) this.#violations.push(`${label} waits, and is refused`)
        break
      case 'waiting':
        break
    }
    await givingUp
  }

  async #giveUp(actor: Actor, controller: AbortController): Promise<void> {
    await breathe(this.#random, 6)
    actor.hasGivenUp = true
    this.#steps.push(`${actor.asking.label} gives up`)
    controller.abort(new Error(`${actor.asking.label} gives up`))
  }

  /** Waits until every request made so far is seen in the queue, or is out of it. */
  async #beginGeneration(): Promise<void> {
    const asked = this.#actors.filter((actor) => actor.waits && !actor.asking.isSettled)
    await eventually(async () => {
      const { held, pending } = await this.#scene.query()
      const seen = new Set(labelsOf([...held, ...pending]))
      for (const { asking } of asked) {
        assert.ok(asking.isSettled || seen.has(asking.label), `${asking.label} is not in the queue`)
      }
    })
    this.#generation += 1
    this.#steps.push(`-- generation ${this.#generation}`)
  }

  #checkOrder(actor: Actor): void {
    if (!this.#scene.engine.capabilities.ordered) return
    const { claim } = actor
    const { label } = actor.asking
    const ahead = this.#actors.filter((other) => {
      if (other.generation >= actor.generation) return false
      return other.isHolding || (other.waits && !other.hasGivenUp && !other.asking.isSettled)
    })
    const inTheWay = ahead.filter((other) => claim.kind !== 'shared' || other.claim.kind !== 'shared')
    const mayHold =
      claim.kind === 'permit' ? [...ahead, actor].every((one) => hasRoom(one, ahead)) : inTheWay.length === 0
    if (mayHold) return
    this.#violations.push(`${label} is let in before ${inTheWay.map(({ asking }) => asking.label).join(', ')}`)
  }
}

/** Whether a request for permits has room beside the requests ahead of it, whether they hold or wait. */
function hasRoom({ asking: { claim }, generation }: Actor, all: readonly Actor[]): boolean {
  if (claim.kind !== 'permit') return true
  const ahead = all.filter((other) => other.generation < generation)
  return ahead.reduce((taken, { asking }) => taken + weightOf(asking.claim), claim.take) <= claim.permits
}
