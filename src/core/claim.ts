/**
 * A claim says how many may hold with me. All claims are predicates over one queue (see turn.ts).
 *
 * A queue has one family at a time: exclusive and shared go together, permits go with permits of the same count.
 */

/** What is asked for. */
export type Claim = ExclusiveClaim | SharedClaim | PermitClaim

/** Nobody holds with me. */
export interface ExclusiveClaim {
  /** Tells claims apart. */
  readonly kind: 'exclusive'
}

/** Others who share may hold with me. */
export interface SharedClaim {
  /** Tells claims apart. */
  readonly kind: 'shared'
}

/** Up to `permits` hold at once: a counting semaphore. */
export interface PermitClaim {
  /** Tells claims apart. */
  readonly kind: 'permit'
  /** How many hold at once: 1 to 1,000,000. */
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
export function isSameFamily(a: Claim, b: Claim): boolean {
  if (a.kind === 'permit' || b.kind === 'permit') return isSameClaim(a, b)
  return true
}

/** Whether the two claims ask for the very same thing. */
export function isSameClaim(a: Claim, b: Claim): boolean {
  if (a.kind === 'permit') return b.kind === 'permit' && a.permits === b.permits
  return a.kind === b.kind
}

/** A claim in words, for messages: `exclusive`, `shared`, `permits: 3`. */
export function describeClaim(claim: Claim): string {
  return claim.kind === 'permit' ? `permits: ${claim.permits}` : claim.kind
}

/** Undefined for a claim that is no permit. */
export function permitsOf(claim: Claim): number | undefined {
  return claim.kind === 'permit' ? claim.permits : undefined
}
