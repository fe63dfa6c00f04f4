/**
 * Who has to be told when a ticket leaves the queue: those whose turn may have come by it.
 *
 *  - An exclusive one leaves: the first of those behind; if it is shared, every shared one up to the first exclusive.
 *  - A shared one leaves: the first of those behind.
 *  - A permit of n leaves: the first n of those behind. (Up to n - 1 of these may hold already; one waits.)
 *
 * One that cannot be told does not count: the next one is told in its place.
 */
import type { Claim } from './claim.ts'

/**
 * Tells the successors of a ticket with the claim `departed`.
 *
 * @param behind the waiting tickets behind it, nearest first.
 * @param tell tells one; false when it cannot be told.
 */
export function tellSuccessors<T extends { readonly claim: Claim }>(
  departed: Claim,
  behind: Iterable<T>,
  tell: (ticket: T) => boolean,
): void {
  const most = departed.kind === 'permit' ? departed.permits : departed.kind === 'shared' ? 1 : Infinity
  let told = 0
  for (const ticket of behind) {
    if (told > 0 && ticket.claim.kind === 'exclusive') return
    if (!tell(ticket)) continue
    told += 1
    if (told >= most || ticket.claim.kind === 'exclusive') return
  }
}
