/** Queues to test the core with, and a second, plain statement of who may hold. */
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import type { Ticket } from '../../src/core/ticket.ts'

export const CLAIMS: Readonly<Record<string, Claim>> = {
  x: EXCLUSIVE,
  s: SHARED,
  1: permitClaim(1),
  2: permitClaim(2),
  3: permitClaim(3),
  // Two of two, two of three, three of three.
  t: permitClaim(2, 2),
  u: permitClaim(3, 2),
  v: permitClaim(3, 3),
}

/** A queue by its letters: `xss` is one exclusive claim and two shared ones behind it; a digit is one of so many permits; the other letters take several. */
export function queueOf(letters: string): Ticket[] {
  return [...letters].map((letter, place) => ({
    id: `${letter}${place}`,
    claim: CLAIMS[letter]!,
    live: true,
    joining: false,
  }))
}

/** All words of up to `most` letters. */
export function words(alphabet: string, most: number): string[] {
  const all = ['']
  let longest = ['']
  for (let length = 1; length <= most; length += 1) {
    longest = longest.flatMap((word) => [...alphabet].map((letter) => word + letter))
    all.push(...longest)
  }
  return all
}

/** All queues of claims that match, of up to five, or four: shared and exclusive ones, permits of one number, and of different numbers. */
export const MATCHING: readonly string[] = [
  ...new Set([...words('xs', 5), ...words('1', 5), ...words('2t', 5), ...words('3uv', 5), ...words('12tu', 4)]),
  // One that says a smaller number, between others.
  ...words('13', 5),
]

/** Whether one may join those who hold. */
export function mayJoin(holding: readonly Claim[], claim: Claim): boolean {
  switch (claim.kind) {
    case 'exclusive':
      return holding.length === 0
    case 'shared':
      return holding.every(({ kind }) => kind === 'shared')
    case 'permit': {
      const takes = holding.map((other) => (other.kind === 'permit' ? other.take : Infinity))
      return takes.reduce((sum, take) => sum + take, claim.take) <= claim.permits
    }
  }
}

/** Whether all of these may hold one lock together: they may have joined one after the other, in some order. */
export function mayHoldTogether(claims: readonly Claim[]): boolean {
  if (claims.length === 0) return true
  return claims.some((claim, index) => {
    const others = claims.filter((_, other) => other !== index)
    return mayJoin(others, claim) && mayHoldTogether(others)
  })
}

/** First come, first served: the longest beginning of the queue in which each may join those before it. */
export function holdersByBruteForce(queue: readonly Ticket[]): Ticket[] {
  const claims = queue.map(({ claim }) => claim)
  const count = claims.findIndex((claim, place) => !mayJoin(claims.slice(0, place), claim))
  return count === -1 ? [...queue] : queue.slice(0, count)
}

/** All sets of some of these, in their order. */
export function subsets<T>(items: readonly T[]): T[][] {
  return Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, index) => (bits >> index) & 1))
}
