/**
 * A claim says how many may hold with me. All claims are predicates over one queue (see turn.ts).
 *
 * The claims in a queue match: exclusive and shared ones do, and permits of the same number. A request whose claim doesn't match is refused.
 */

/** What a request asks for: how many may hold the lock at the same time. */
export type Claim = ExclusiveClaim | SharedClaim | PermitClaim

/** No other holder is allowed. */
export interface ExclusiveClaim {
  /** Distinguishes the kinds of claims. */
  readonly kind: 'exclusive'
}

/** Other shared holders are allowed. */
export interface SharedClaim {
  /** Distinguishes the kinds of claims. */
  readonly kind: 'shared'
}

/** A semaphore: up to `permits` holders are allowed at the same time. */
export interface PermitClaim {
  /** Distinguishes the kinds of claims. */
  readonly kind: 'permit'
  /** The number of holders allowed at the same time: 1 to 1,000,000. */
  readonly permits: number
}

export const EXCLUSIVE: ExclusiveClaim = { kind: 'exclusive' }
export const SHARED: SharedClaim = { kind: 'shared' }

/** The largest `permits` that a claim may ask for: keeps ticket names short and counts exact. */
export const MAX_PERMITS = 1_000_000

export function permitClaim(permits: number): PermitClaim {
  return { kind: 'permit', permits }
}

/** Whether the two claims may stand in one queue. */
export function doMatch(a: Claim, b: Claim): boolean {
  if (a.kind === 'permit' || b.kind === 'permit') return isSameClaim(a, b)
  return true
}

/** Whether the two claims ask for the very same thing. */
export function isSameClaim(a: Claim, b: Claim): boolean {
  if (a.kind === 'permit') return b.kind === 'permit' && a.permits === b.permits
  return a.kind === b.kind
}

/** Whether a holder by `held` has all that `asked` asks for. */
export function covers(held: Claim, asked: Claim): boolean {
  return held.kind === 'exclusive' ? asked.kind !== 'permit' : isSameClaim(held, asked)
}

/** A claim in words, for messages: `exclusive`, `shared`, `permits: 3`. */
export function describeClaim(claim: Claim): string {
  return claim.kind === 'permit' ? `permits: ${claim.permits}` : claim.kind
}

/** Undefined for a claim that isn't a permit. */
export function permitsOf(claim: Claim): number | undefined {
  return claim.kind === 'permit' ? claim.permits : undefined
}
