/**
 * Who has to be told when a ticket leaves the queue: those whose turn may have come by it.
 *
 *  - An exclusive one leaves: the first of those behind; if it is shared, every shared one up to the first exclusive.
 *  - A shared one leaves: the first of those behind.
 *  - A permit of n leaves: the first n of those behind. (Up to n - 1 of these may hold already; one waits.)
 *
 * Only those count that can be told: one that cannot is passed over, and the next one stands in its place.
 */
import type { Claim } from './claim.ts'

/**
 * The successors of a ticket with the claim `departed`.
 *
 * @param behind the waiting tickets behind it that can be told, nearest first.
 */
export function successorsOf<T extends { readonly claim: Claim }>(departed: Claim, behind: readonly T[]): T[] {
  switch (departed.kind) {
    case 'exclusive': {
      const firstExclusive = behind.findIndex((ticket) => ticket.claim.kind === 'exclusive')
      return firstExclusive === -1 ? [...behind] : behind.slice(0, Math.max(firstExclusive, 1))
    }
    case 'shared':
      return behind.slice(0, 1)
    case 'permit':
      return behind.slice(0, departed.permits)
  }
}
