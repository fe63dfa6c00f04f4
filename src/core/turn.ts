/**
 * Decides from one listing of the queue whose turn it is. The whole package depends on this decision. Pure.
 *
 *  1. exclusive: my turn if no ticket is ahead; otherwise blocked on the nearest ticket ahead.
 *  2. shared: my turn if no exclusive ticket is ahead; otherwise blocked on the nearest exclusive ticket ahead.
 *  3. permits: a request says how many permits may be held, n, and how many of them it takes, k. Let s be the sum of all that is taken from the head of
 *     the queue up to and including a ticket. There is room for the ticket if s <= n. My turn if there is room for me and for every ticket ahead, and
 *     all tickets ahead are proven alive. So no request overtakes a waiter, and each request goes by its own number: there was room for the
 *     holders when they were granted, and the sums ahead of them only shrink.
 *     If there is no room for me: blocked on the nearest tickets ahead that leave no room. If there is, but not for some ticket ahead: blocked on the
 *     nearest such ticket, and on the tickets that leave it no room. While these live, my turn can't come, so no change that matters is missed, and
 *     few waiters are woken without need. (Alive, because the next holder must notice the death of a holder, even if it need not wait.)
 *  4. a listing without my own ticket decides nothing.
 */
import type { Claim } from './claim.ts'
import { doMatch, weightOf } from './claim.ts'
import type { Ticket, TicketIdentity } from './ticket.ts'

export type Turn<T extends Ticket = Ticket> =
  /** The lock is mine. */
  | { readonly kind: 'held' }
  /** It isn't my turn before one of these has gone. */
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
  const mostRoom = roomBeside(own.claim)
  const on: T[] = []
  let taken = 0
  for (let index = place - 1; index >= 0 && taken <= mostRoom; index -= 1) {
    const ahead = listing[index]!
    if (!doMatch(own.claim, ahead.claim)) {
      // A ticket that isn't proven alive may have been left by a dead process: find that out first.
      return ahead.live ? { kind: 'mismatch', with: ahead } : { kind: 'blocked', on: [ahead] }
    }
    if (isPassedOver(own.claim, ahead.claim)) continue
    on.push(ahead)
    taken += weightOf(ahead.claim)
  }
  if (taken > mostRoom) return { kind: 'blocked', on }
  const withoutRoom = nearestWithoutRoom(on, taken)
  if (withoutRoom !== undefined) return { kind: 'blocked', on: withoutRoom }
  const unproven = on.filter((ticket) => !ticket.live)
  return unproven.length === 0 ? HELD : { kind: 'blocked', on: unproven }
}

/** The nearest ticket ahead without room, and the tickets that leave it no room. Undefined if there is room for all. @param ahead nearest first. */
function nearestWithoutRoom<T extends Ticket>(ahead: readonly T[], takenByAll: number): T[] | undefined {
  let taken = takenByAll
  for (const [index, { claim }] of ahead.entries()) {
    const most = mostOf(claim)
    if (taken > most) return nearestTaking(ahead.slice(index), most)
    taken -= weightOf(claim)
  }
  return undefined
}

/** The nearest tickets that together take more than `most`. */
function nearestTaking<T extends Ticket>(ahead: readonly T[], most: number): T[] {
  let taken = 0
  const end = ahead.findIndex(({ claim }) => (taken += weightOf(claim)) > most)
  return ahead.slice(0, end + 1)
}

/** How much may be taken in all, for there to be room for this claim. */
function mostOf(claim: Claim): number {
  return claim.kind === 'permit' ? claim.permits : Infinity
}

/** How much others ahead may take. */
function roomBeside(claim: Claim): number {
  return claim.kind === 'permit' ? claim.permits - claim.take : 0
}

/** How many tickets ahead a listing has to show at most, not counting tickets that are passed over: they decide the turn, since each takes at least 1. */
export function mostAhead(claim: Claim): number {
  return roomBeside(claim) + 1
}

/** Whether a ticket ahead makes no difference. */
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
