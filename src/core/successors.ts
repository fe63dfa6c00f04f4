/**
 * Which tickets have to be notified when a ticket leaves the queue: those whose turn may have come.
 *
 *  - An exclusive ticket leaves: the first ticket behind; if that is shared, every shared ticket up to the first exclusive ticket.
 *  - A shared ticket leaves: the first ticket behind.
 *  - A ticket of permits leaves: the tickets behind, as long as there would be room for them (turn.ts) with no ticket ahead. What the departed ticket
 *    asked for doesn't matter, since each ticket behind has a number of its own. Some of them may already hold. If all have the same number n, and each
 *    takes 1, these are the first n.
 *  - An exclusive holder becomes shared: every shared ticket behind it, up to the first exclusive ticket.
 *
 * Only tickets that can be notified count: any other is passed over, and the next one takes its place.
 *
 * A ticket may wait on the departed ticket and not be notified, if there is no room for a ticket of permits that stands between the two. The tickets
 * that leave that ticket no room stand between, too, and the waiter also waits on them.
 */
import type { Claim } from './claim.ts'

/**
 * The successors of a ticket with the claim `departed`.
 *
 * @param behind the waiting tickets behind it that can be notified, nearest first. No more of them are asked for than are needed.
 */
export function successorsOf<T extends { readonly claim: Claim }>(departed: Claim, behind: Iterable<T>): T[] {
  if (departed.kind === 'permit') return whileThereIsRoom(behind)
  const successors: T[] = []
  for (const ticket of behind) {
    const endsThere = departed.kind === 'shared' || ticket.claim.kind === 'exclusive'
    if (!endsThere || successors.length === 0) successors.push(ticket)
    if (endsThere) break
  }
  return successors
}

/** A ticket that doesn't ask for permits is notified as well, and the tickets behind it wait for it. */
function whileThereIsRoom<T extends { readonly claim: Claim }>(behind: Iterable<T>): T[] {
  const successors: T[] = []
  let taken = 0
  for (const ticket of behind) {
    const { claim } = ticket
    if (claim.kind === 'permit') {
      taken += claim.take
      if (taken > claim.permits) break
    }
    successors.push(ticket)
    if (claim.kind !== 'permit') break
  }
  return successors
}

/** The successors of an exclusive holder that has become shared. @param behind as of {@link successorsOf}. */
export function successorsOfDowngrade<T extends { readonly claim: Claim }>(behind: Iterable<T>): T[] {
  const successors: T[] = []
  for (const ticket of behind) {
    if (ticket.claim.kind !== 'shared') break
    successors.push(ticket)
  }
  return successors
}
