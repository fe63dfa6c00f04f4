/**
 * W, wait: looks at the tickets that are waited for, has their members know of this one, and sleeps.
 *
 * A ticket is waited for as long as it can't be opened (EBUSY). That it can be opened proves no death yet: view.ts. If it isn't certain that the owner of
 * each of them wakes this process when it leaves, the sleep ends by the clock.
 */
import type { Cancellation } from '../../../requests/cancellation.ts'
import type { Ticket } from '../../../core/ticket.ts'
import { decideTurn } from '../../../core/turn.ts'
import type { QueueState } from './state.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'

/** How long to wait at most before another look by the clock, in ms. */
const SLOWEST_LOOK_MS = 50

/** See `TicketQueue.anyChange`: returns without sleeping if something has changed. */
export function awaitChange(
  state: QueueState,
  own: OwnTicket,
  among: readonly Ticket[],
  cancellation: Cancellation,
): void | Promise<void> {
  const { view } = state
  if (own.barrier !== undefined && among.includes(own.barrier)) {
    return own.sleep(own.request.wait ? own.nextLookMs(SLOWEST_LOOK_MS) : 1, cancellation)
  }
  const tickets = among as readonly ListedTicket[]
  let isCertain = true
  for (const ticket of tickets) {
    if (state.isOwn(ticket)) continue
    const found = view.lookAt(ticket)
    if (found === 'gone' || found === 'vanishing' || view.dead.has(ticket.name)) return onEnded(state, ticket)
    if (sharesBy(state, own, ticket)) return undefined
    if (found === 'closed' || !makeKnown(state, ticket.member)) isCertain = false
  }
  // A permit that is free waits for proof that those ahead live: there is that now.
  if (own.claim.kind === 'permit' && decideTurn(own, view.ahead(own)).kind === 'held') return undefined
  // A try looks until it is certain, which is a matter of milliseconds: nobody wakes it.
  if (!own.request.wait) return own.sleep(1, cancellation)
  if (!isCertain) return own.sleep(own.nextLookMs(SLOWEST_LOOK_MS), cancellation)
  return own.sleepUntilWoken(() => wakeIfChanged(state, own, tickets), cancellation)
}

/** Whether `own` need not wait for an exclusive holder any more, since that was downgraded after the listing. */
function sharesBy({ directory }: QueueState, own: OwnTicket, { name, claim }: ListedTicket): boolean {
  return own.claim.kind === 'shared' && claim.kind === 'exclusive' && directory.isDowngraded(name)
}

/** There is nothing to wait for in this ticket. */
function onEnded({ directory, view }: QueueState, { name, claim }: ListedTicket): void {
  // Dead shared tickets broke nothing: the process that finds one removes it.
  if (claim.kind === 'shared' && view.dead.has(name)) directory.removeEntry(name)
}

/** Whether `member` is known to know of this one. If not, a connection is on its way. */
function makeKnown({ presence: { bell } }: QueueState, member: string): boolean {
  if (bell?.isKnownTo(member) === true) return true
  bell?.connect(member)
  return false
}

function wakeIfChanged(state: QueueState, own: OwnTicket, among: readonly ListedTicket[]): void {
  for (const ticket of among) {
    if (state.isOwn(ticket)) continue
    const isKnown = state.presence.bell?.isKnownTo(ticket.member) === true
    if (!isKnown || state.view.lookAt(ticket) !== 'open' || sharesBy(state, own, ticket)) return own.wake()
  }
  if (!state.directory.has(own.name)) own.wake()
}
