/**
 * Finds out whether a holder has lost its lock: a thief has stolen it (named locks only), `slocket.break` made it give up, or its ticket is gone (while the ticket
 * is open, the system allows nobody to remove it). The holder checks when it is woken, when it is asked, and once a second.
 */
import { splitByTurn } from '../../../core/standing.ts'
import { debug } from '../../../debug.ts'
import { isSlocketError, SlocketError } from '../../../errors.ts'
import { THIEVES_END } from '../names/thief-number.ts'
import { downgrade } from './leave.ts'
import type { QueueState } from './state.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import type { QueueView } from './view.ts'

/** Looks after the own tickets by the clock for as long as there are any. @param closely whether one holds. */
export function watch(state: QueueState, closely: boolean): void {
  state.watch.start({ own: state.own, checkOwnTickets: () => checkOwnTickets(state) }, closely)
}

/** Whether one holds. */
function checkOwnTickets(state: QueueState): boolean {
  let holds = false
  for (const own of state.own.values()) {
    if (own.isHeld) holds = true
    if (!isLost(state, own) && own.mustShare) downgradeAgain(state, own)
  }
  return holds
}

function downgradeAgain(state: QueueState, own: OwnTicket): void {
  try {
    downgrade(state, own)
  } catch (error) {
    if (!isSlocketError(error)) throw error
    debug('%s: ticket %s could not be downgraded: %s', state.directory.path, own.id, error)
  }
}

/** Whether it held and no longer does. Then its request has been notified. */
export function isLost(state: QueueState, own: OwnTicket): boolean {
  const { directory, name } = state
  if (!own.isHeld || own.isOver) return false
  if (name !== undefined && isStolen(state, own)) {
    own.isHeld = false
    // The thief waits for the guard.
    own.hold?.close()
    own.hold = undefined
    own.request.onStolen(new SlocketError('ERR_SLOCKET_LOST', `the lock '${name}' was stolen`))
    return true
  }
  if (directory.has(own.name)) return false
  lose(state, own, 'its ticket was removed from outside')
  return true
}

/** Takes the lock away, for `slocket.break`: it is free when this returns, and the request has been notified. Does nothing if the ticket doesn't hold. */
export function giveUp(state: QueueState, own: OwnTicket): void {
  if (own.isHeld && !own.isOver) lose(state, own, 'it was taken away by slocket.break() or `slocket break`')
}

/** The request withdraws the ticket. */
function lose({ directory }: QueueState, own: OwnTicket, reason: string): void {
  debug('%s: ticket %s holds no longer: %s', directory.path, own.id, reason)
  own.request.onLost(new SlocketError('ERR_SLOCKET_LOST', `the lock '${directory.path}' was lost: ${reason}`))
}

function isStolen({ view }: QueueState, own: OwnTicket): boolean {
  // A thief that was overtaken before it had the guard: turn.ts. The other thief may have left.
  if (own.hold === undefined) return true
  view.list()
  return hasThiefAhead(view, own)
}

/** Whether the last listing showed a thief's ticket ahead of `own`. */
export function hasThiefAhead(view: QueueView, own: OwnTicket): boolean {
  return view.all().some((ticket) => ticket.name < own.name && isThief(ticket))
}

/** The ticket's number shows that it is a thief's: thief-number.ts. */
function isThief({ number }: ListedTicket): boolean {
  return BigInt(number) < THIEVES_END
}

/** Called when a thief is in front: makes all holders look at the queue at once, and a thief that waits for the guard. Each holder also looks by itself once a second. */
export function steal(state: QueueState, thief: OwnTicket): void {
  const { held } = splitByTurn(state.view.all().filter((ticket) => ticket !== thief))
  for (const ticket of held) {
    const own = state.own.get(ticket.id)
    if (own === undefined) state.notifier.wake(ticket)
    else if (!isLost(state, own)) own.wake()
  }
}
