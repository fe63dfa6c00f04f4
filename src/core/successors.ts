/**
 * Which tickets have to be notified when a ticket leaves the queue: those whose turn may have come by it.
 *
 *  - An exclusive one leaves: the first of those behind; if it is shared, every shared one up to the first exclusive.
 *  - A shared one leaves: the first of those behind.
 *  - A permit of n leaves: the first n of those behind. (Up to n - 1 of these may hold already; one waits.)
 *
 * Only tickets that can be notified count: any other is passed over, and the next one takes its place.
 */
import type { Claim } from './claim.ts'

/**
 * The successors of a ticket with the claim `departed`.
 *
 * @param behind the waiting tickets behind it that can be notified, nearest first. No more of them are asked for than are needed.
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
