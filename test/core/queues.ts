/** Queues to test the core with, and a second, plain statement of who may hold. */
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, doMatch, permitClaim, SHARED } from '../../src/core/claim.ts'
import type { Ticket } from '../../src/core/ticket.ts'

export const CLAIMS: Readonly<Record<string, Claim>> = {
  x: EXCLUSIVE,
  s: SHARED,
  1: permitClaim(1),
  2: permitClaim(2),
  3: permitClaim(3),
}

/** A queue by its letters: `xss` is one exclusive claim and two shared ones behind it; a digit is one of so many permits. */
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

/** All queues of claims that match. */
export const MATCHING: readonly string[] = [...words('xs', 5), ...words('1', 5), ...words('2', 5), ...words('3', 5)]

/** Whether all of these may hold one lock together, said without any order. */
export function mayHoldTogether(claims: readonly Claim[]): boolean {
  return claims.every((claim, index) => {
    const others = claims.filter((_, other) => other !== index)
    switch (claim.kind) {
      case 'exclusive':
        return others.length === 0
      case 'shared':
        return others.every(({ kind }) => kind === 'shared')
      case 'permit':
        return others.length < claim.permits && others.every((other) => doMatch(other, claim))
    }
  })
}

/** First come, first served: the longest beginning of the queue that may hold together. */
export function holdersByBruteForce(queue: readonly Ticket[]): Ticket[] {
  let count = 0
  while (count < queue.length && mayHoldTogether(queue.slice(0, count + 1).map(({ claim }) => claim))) count += 1
  return queue.slice(0, count)
}

/** All sets of some of these, in their order. */
export function subsets<T>(items: readonly T[]): T[][] {
  return Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, index) => (bits >> index) & 1))
}
