/** Who holds one lock at this moment, as far as the tests can know; finds those who must not hold together. */
import assert from 'node:assert/strict'
import type { Claim } from '../core/claim.ts'
import { describeClaim } from '../core/claim.ts'

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
  #highestReleasedToken: bigint | undefined

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
    if (this.#highestReleasedToken !== undefined && holder.token <= this.#highestReleasedToken) {
      this.violations.push(
        `${holder.label} has token ${holder.token}, but ${this.#highestReleasedToken} was given to an earlier holder`,
      )
    }
  }

  leave(holder: Holder): void {
    this.#current.delete(holder)
    if (this.#highestReleasedToken === undefined || holder.token > this.#highestReleasedToken) {
      this.#highestReleasedToken = holder.token
    }
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
