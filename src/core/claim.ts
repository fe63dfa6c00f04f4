/**
 * A claim says which requests may hold at the same time. All claims are predicates over one queue (see turn.ts).
 *
 * The claims in a queue match: exclusive with shared, or permits with permits. A request whose claim doesn't match is refused.
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

/** A semaphore: all holders together may have up to `permits` permits at the same time. */
export interface PermitClaim {
  /** Distinguishes the kinds of claims. */
  readonly kind: 'permit'
  /** The number of permits that may be held at the same time, those of this request included: 1 to 1,000,000. */
  readonly permits: number
  /** How many of them this request takes: 1 to `permits`. */
  readonly take: number
}

export const EXCLUSIVE: ExclusiveClaim = { kind: 'exclusive' }
export const SHARED: SharedClaim = { kind: 'shared' }

/** The largest `permits` that a claim may ask for: keeps ticket names short and counts exact. */
export const MAX_PERMITS = 1_000_000

export function permitClaim(permits: number, take = 1): PermitClaim {
  return { kind: 'permit', permits, take }
}

/** Whether the two claims may stand in one queue. */
export function doMatch(a: Claim, b: Claim): boolean {
  return (a.kind === 'permit') === (b.kind === 'permit')
}

/** Whether the two claims ask for the very same thing. */
export function isSameClaim(a: Claim, b: Claim): boolean {
  if (a.kind === 'permit') return b.kind === 'permit' && a.permits === b.permits && a.take === b.take
  return a.kind === b.kind
}

/** Whether a holder with the claim `held` has everything that `asked` asks for. */
export function covers(held: Claim, asked: Claim): boolean {
  if (held.kind === 'permit') {
    return asked.kind === 'permit' && held.permits <= asked.permits && held.take >= asked.take
  }
  return held.kind === 'exclusive' ? asked.kind !== 'permit' : isSameClaim(held, asked)
}

/** A claim in words, for messages: `exclusive`, `shared`, `permits: 3`, `permits: 10, take: 3`. */
export function describeClaim(claim: Claim): string {
  if (claim.kind !== 'permit') return claim.kind
  return claim.take === 1 ? `permits: ${claim.permits}` : `permits: ${claim.permits}, take: ${claim.take}`
}

/** Undefined for a claim that isn't for permits. */
export function permitsOf(claim: Claim): number | undefined {
  return claim.kind === 'permit' ? claim.permits : undefined
}

/** How many permits a request takes. Undefined for a claim that isn't for permits. */
export function takeOf(claim: Claim): number | undefined {
  return claim.kind === 'permit' ? claim.take : undefined
}

/** How much room a claim needs: the permits that it takes, or 1. */
export function weightOf(claim: Claim): number {
  return claim.kind === 'permit' ? claim.take : 1
}

/** A claim of permits as part of a name: `p10`, or `p10.3` if it takes 3 of 10. */
export function formatPermits({ permits, take }: PermitClaim): string {
  return take === 1 ? `p${permits}` : `p${permits}.${take}`
}

/** What {@link formatPermits} writes, as part of a regular expression; some of it means nothing. */
export const PERMITS_PATTERN = 'p[1-9]\\d{0,6}(?:\\.[1-9]\\d{0,6})?'

/** Undefined unless {@link formatPermits} writes exactly this text. */
export function parsePermits(text: string): PermitClaim | undefined {
  const [, permits, take = '1'] = PERMITS.exec(text) ?? []
  const claim = permitClaim(Number(permits), Number(take))
  if (!(claim.permits <= MAX_PERMITS && claim.take <= claim.permits)) return undefined
  return formatPermits(claim) === text ? claim : undefined
}

const PERMITS = /^p([1-9]\d{0,6})(?:\.([1-9]\d{0,6}))?$/
