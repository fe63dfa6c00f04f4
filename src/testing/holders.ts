/** Who holds one lock at this moment, as far as the tests can know; finds those who must not hold together. */
import assert from 'node:assert/strict'
import type { Claim } from '../core/claim.ts'
import { describeClaim } from '../core/claim.ts'

const KINDS = ['exclusive', 'shared', 'permit'] as const

export interface Holder {
  readonly label: string
  readonly claim: Claim
  readonly token: bigint
}

/**
 * A holder is noted after its grant and struck out before its release, so two who stand here together did hold
 * together.
 */
export class Holders {
  /** What went wrong, in words. */
  readonly violations: string[] = []
  /** The labels of all who ever held, in the order of their grants. */
  readonly history: string[] = []
  readonly #current = new Set<Holder>()
  /** The highest tokens of those who have released, by the kind of their claim. */
  readonly #highestReleased = new Map<Claim['kind'], bigint>()

  get current(): ReadonlySet<Holder> {
    return this.#current
  }

  enter(holder: Holder): void {
    this.#current.add(holder)
    this.history.push(holder.label)
    const holding = [...this.#current]
    if (!mayHoldTogether(holding.map(({ claim }) => claim))) {
      const who = holding.map(({ label, claim }) => `${label} (${describeClaim(claim)})`)
      this.violations.push(`these hold at one time: ${who.join(', ')}`)
    }
    // Of those who might as well have held together, the one who was first may hear of it last.
    const kinds = KINDS.filter((kind) => kind !== holder.claim.kind || !mayHoldTogether([holder.claim, holder.claim]))
    for (const kind of kinds) {
      const earlier = this.#highestReleased.get(kind)
      if (earlier === undefined || holder.token > earlier) continue
      this.violations.push(`${holder.label} has token ${holder.token}, but ${earlier} was given to an earlier holder`)
    }
  }

  leave(holder: Holder): void {
    this.#current.delete(holder)
    const highest = this.#highestReleased.get(holder.claim.kind)
    if (highest === undefined || holder.token > highest) this.#highestReleased.set(holder.claim.kind, holder.token)
  }

  check(): void {
    assert.deepEqual(this.violations, [])
  }
}

/** Whether holders with these claims may hold one lock together. */
function mayHoldTogether(claims: readonly Claim[]): boolean {
  if (claims.length < 2) return true
  return claims.every((claim) => {
    switch (claim.kind) {
      case 'exclusive':
        return false
      case 'shared':
        return claims.every(({ kind }) => kind === 'shared')
      case 'permit':
        return (
          claims.length <= claim.permits &&
          claims.every((other) => other.kind === 'permit' && other.permits === claim.permits)
        )
    }
  })
}
