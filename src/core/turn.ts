/**
 * Whose turn is it? The one decision that the whole package stands on, pure, over one listing of the queue.
 *
 *  1. exclusive: my turn when nobody is ahead; else blocked on the nearest one ahead;
 *  2. shared: my turn when nobody exclusive is ahead; else blocked on the nearest exclusive one ahead;
 *  3. permit of n: my turn when fewer than n are ahead, all of them proven alive; else blocked on the n nearest ones
 *     ahead: while those live, n are ahead, so no change that matters is missed, and only those are disturbed whose turn
 *     may have come. (Alive, because the next holder has to find a holder that died, even if it need not wait.)
 *  4. a listing without my own ticket decides nothing.
 */
import type { Claim } from './claim.ts'
import { doMatch } from './claim.ts'
import type { Ticket, TicketIdentity } from './ticket.ts'

export type Turn<T extends Ticket = Ticket> =
  /** The lock is mine. */
  | { readonly kind: 'held' }
  /** Not before one of these has gone. */
  | { readonly kind: 'blocked'; readonly on: readonly T[] }
  /** This one ahead is alive, and its claim doesn't match mine, which can never be granted beside it. */
  | { readonly kind: 'mismatch'; readonly with: T }
  /** My ticket is not in the listing: it was removed from outside. */
  | { readonly kind: 'missing' }

const HELD: Turn<never> = { kind: 'held' }
const MISSING: Turn<never> = { kind: 'missing' }

/** Decides from a listing that was made after `own` had joined the queue. */
export function decideTurn<T extends Ticket>(own: TicketIdentity, listing: readonly T[]): Turn<T> {
  // From the end: most listings end with the own ticket.
  let place = listing.length - 1
  while (place >= 0 && listing[place]!.id !== own.id) place -= 1
  if (place === -1) return MISSING
  if (place === 0) return HELD
  if (own.claim.kind !== 'exclusive') return decideAmong(own, listing, place)
  const ahead = listing[place - 1]!
  return ahead.claim.kind === 'permit' ? decideAmong(own, listing, place) : { kind: 'blocked', on: [ahead] }
}

/** The same for all claims, of the ticket at `place`. */
function decideAmong<T extends Ticket>(own: TicketIdentity, listing: readonly T[], place: number): Turn<T> {
  const most = mostAhead(own.claim)
  const on: T[] = []
  for (let index = place - 1; index >= 0 && on.length < most; index -= 1) {
    const ahead = listing[index]!
    if (!doMatch(own.claim, ahead.claim)) {
      // A ticket that nobody has proven alive yet may be litter of a dead process: make sure of it first.
      return ahead.live ? { kind: 'mismatch', with: ahead } : { kind: 'blocked', on: [ahead] }
    }
    if (isPassedOver(own.claim, ahead.claim)) continue
    on.push(ahead)
  }
  if (on.length === most) return { kind: 'blocked', on }
  const unproven = on.filter((ticket) => !ticket.live)
  return unproven.length === 0 ? HELD : { kind: 'blocked', on: unproven }
}

/** So many with matching claims ahead that are not passed over decide it: no listing need show more of those ahead. */
export function mostAhead(claim: Claim): number {
  return claim.kind === 'permit' ? claim.permits : 1
}

/** Whether one ahead makes no difference. */
export function isPassedOver(own: Claim, ahead: Claim): boolean {
  return own.kind === 'shared' && ahead.kind === 'shared'
}

/**
 * Whether `blockers` prove that a request which never waits cannot be granted: all alive, and none of them
 * about to withdraw again.
 */
export function isCertainlyBlocked(blockers: readonly Ticket[]): boolean {
  return blockers.every((ticket) => ticket.live && !ticket.joining)
}
