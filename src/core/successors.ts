/**
 * Which tickets have to be notified when a ticket leaves the queue: those whose turn may have come by it.
 *
 *  - An exclusive one leaves: the first of those behind; if it is shared, every shared one up to the first exclusive.
 *  - A shared one leaves: the first of those behind.
 *  - One of permits leaves: those behind, as long as there is room for them (turn.ts) if nobody is ahead. What the departed one asked for doesn't
 *    matter, since each of those behind says a number of its own. Some of them may hold already. Of permits of the same number n, 1 taken by
 *    each, these are the first n.
 *  - An exclusive holder becomes a shared one: every shared one behind it up to the first exclusive.
 *
 * Only tickets that can be notified count: any other is passed over, and the next one takes its place.
 *
 * A ticket may wait on the departed one and not be notified, if there is no room for a ticket of permits ahead of it, whatever is ahead of that one: those
 * that leave it no room stand between, and the ticket waits on them, too.
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

/** One that asks for something else than permits is told, and those behind it wait for it. */
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

/** The successors of an exclusive holder that has become a shared one. @param behind as of {@link successorsOf}. */
export function successorsOfDowngrade<T extends { readonly claim: Claim }>(behind: Iterable<T>): T[] {
  const successors: T[] = []
  for (const ticket of behind) {
    if (ticket.claim.kind !== 'shared') break
    successors.push(ticket)
  }
  return successors
}
