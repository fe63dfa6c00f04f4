/** Tracks the holders of one lock, as far as the tests can know, and finds holders that must not hold together. */
import assert from 'node:assert/strict'
import type { Claim } from '../core/claim.ts'
import { describeClaim } from '../core/claim.ts'

export interface Holder {
  readonly label: string
  readonly claim: Claim
  readonly token: bigint
}

/**
 * A holder is recorded after its grant and removed before its release, so two holders that are recorded at the same time did hold
 * together.
 */
export class Holders {
  /** Descriptions of what went wrong. */
  readonly violations: string[] = []
  /** The labels of all holders ever, in the order of their grants. */
  readonly history: string[] = []
  readonly #current = new Set<Holder>()
  /** The highest tokens of former holders, by their claims as text. */
  readonly #highestReleased = new Map<string, Pick<Holder, 'claim' | 'token'>>()

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
    // If two holders might as well have held together, the first one may be notified last.
    for (const earlier of this.#highestReleased.values()) {
      if (holder.token > earlier.token || mayHoldTogether([holder.claim, earlier.claim])) continue
      this.violations.push(
        `${holder.label} has token ${holder.token}, but ${earlier.token} was given to an earlier holder`,
      )
    }
  }

  leave(holder: Holder): void {
    this.#current.delete(holder)
    const { claim, token } = holder
    const words = describeClaim(claim)
    const highest = this.#highestReleased.get(words)
    if (highest === undefined || token > highest.token) this.#highestReleased.set(words, { claim, token })
  }

  check(): void {
    assert.deepEqual(this.violations, [])
  }
}

/** Whether holders with these claims may hold one lock together. For permits: in some order, each had room beside those before it. */
function mayHoldTogether(claims: readonly Claim[]): boolean {
  if (claims.length < 2) return true
  const permits = claims.filter((claim) => claim.kind === 'permit')
  if (permits.length === 0) return claims.every(({ kind }) => kind === 'shared')
  if (permits.length < claims.length) return false
  // If there is such an order, this is one.
  const inOrder = [...permits].sort((a, b) => a.permits - b.permits)
  let taken = 0
  return inOrder.every((claim) => (taken += claim.take) <= claim.permits)
}
