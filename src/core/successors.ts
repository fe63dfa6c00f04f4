/**
 * Who has to be told when a ticket leaves the queue: those whose turn may have come by it.
 *
 *  - An exclusive one leaves: the first of those behind; if it is shared, every shared one up to the first exclusive.
 *  - A shared one leaves: the first of those behind.
 *  - A permit of n leaves: the first n of those behind. (Up to n - 1 of these may hold already; one waits.)
 *  - An exclusive holder becomes a shared one: every shared one behind it up to the first exclusive.
 *
 * Only those count that can be told: one that cannot is passed over, and the next one stands in its place.
 */
import type { Claim } from './claim.ts'

/**
 * The successors of a ticket with the claim `departed`.
 *
 * @param behind the waiting tickets behind it that can be told, nearest first. No more of them are asked for than are needed.
 */
export function successorsOf<T extends { readonly claim: Claim }>(departed: Claim, behind: Iterable<T>): T[] {
  const successors: T[] = []
  const most = departed.kind === 'permit' ? departed.permits : departed.kind === 'shared' ? 1 : Infinity
  for (const ticket of behind) {
    const endsThere = departed.kind === 'exclusive' && ticket.claim.kind === 'exclusive'
    if (!endsThere || successors.length === 0) successors.push(ticket)
    if (endsThere || successors.length === most) break
  }
  return successors
}

/** The successors of an exclusive holder that has become a shared one. @param behind as of {@link successorsOf}. */
export function successorsOfDowngrade<T extends { readonly claim: Claim }>(behind: Iterable<T>): T[] {
  const successors: T[] = []
  for (const ticket of behind) {
    if (ticket.claim.kind !== 'shared') break
    successors.push(ticket)
  }
  return successors
}
