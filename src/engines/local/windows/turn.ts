/**
 * T, turn: a ticket with nobody ahead opens the guard, and holds once it has it. So the kernel excludes, and that two never hold hangs neither on a listing nor
 * on a rule of the queue. If the guard is open elsewhere, a barrier stands ahead of the ticket, which keeps its turn.
 */
import type { GrantFacts } from '../../../requests/ticket-queue.ts'
import type { Ticket } from '../../../core/ticket.ts'
import { decideTurn } from '../../../core/turn.ts'
import { SlocketError } from '../../../errors.ts'
import { monotonicNowMs, monotonicNowNs, queueMicrotask } from '../../../real-time.ts'
import { DENIED_MS, DirectoryDenied } from './guard.ts'
import type { Hold } from './hold.ts'
import { hasThiefAhead, isLost, watch } from './lost.ts'
import type { QueueState } from './state.ts'
import type { OwnTicket } from './ticket.ts'
import { GuardBarrier } from './ticket.ts'

/** The tickets that decide the turn of `own`; and once that has come, but the guard is open elsewhere, what stands for the guard. */
export function listTurn(state: QueueState, own: OwnTicket): readonly Ticket[] {
  const listing = listAhead(state, own)
  if (own.hold !== undefined) return listing
  if (listing.length > 0 && isOvertaken(state, own)) {
    own.barrier = undefined
    return [own]
  }
  const isTurn = decideTurn(own, listing).kind === 'held'
  if (isTurn) own.hold = takeGuard(state, own)
  if (!isTurn || own.hold !== undefined) {
    own.barrier = undefined
    return listing
  }
  own.barrier ??= new GuardBarrier(own.claim)
  return [own.barrier, ...listing]
}

/**
 * Whether `own` is a thief that still waits for the guard, and another thief has come ahead of it. Then the lock was stolen from it: its turn had come when it
 * joined. So it is granted the lock, and loses it at once: see `grant`.
 */
function isOvertaken({ view }: QueueState, own: OwnTicket): boolean {
  return own.request.steal && hasThiefAhead(view, own)
}

function listAhead({ view }: QueueState, own: OwnTicket): readonly Ticket[] {
  const { joinListing } = own
  if (joinListing !== undefined) {
    own.joinListing = undefined
    return joinListing
  }
  own.startLook()
  view.list()
  return view.ahead(own)
}

/** Undefined if it is open elsewhere. */
function takeGuard({ directory, view }: QueueState, own: OwnTicket): Hold | undefined {
  try {
    const hold = directory.guards.take(own.claim, own.name, view.names)
    own.deniedSinceMs = undefined
    return hold
  } catch (error) {
    // A guard that is being removed is denied for a moment.
    if (!(error instanceof DirectoryDenied)) throw error
    // Not since the barrier is there: the guard may have been open elsewhere for long.
    own.deniedSinceMs ??= monotonicNowMs()
    if (monotonicNowMs() - own.deniedSinceMs > DENIED_MS) throw error.cause
    return undefined
  }
}

/** See `TicketQueue.granted`. */
export function grant(state: QueueState, own: OwnTicket): GrantFacts {
  own.isHeld = true
  watch(state, true)
  const { hold } = own
  if (hold === undefined) {
    if (!own.request.steal) {
      throw new SlocketError('ERR_SLOCKET_SYSTEM', 'the guard of a ticket whose turn has come is not open')
    }
    // It was overtaken. It is notified as soon as it knows that it has held.
    queueMicrotask(() => isLost(state, own))
    return { token: nextToken(state, 0n), recovered: false }
  }
  const hasFound = hold.grant()
  const hasDead = state.view.dead.size > 0 && removeDead(state, own)
  const token = nextToken(state, hold.record.bootNs + monotonicNowNs())
  return { token, recovered: state.name === undefined && (hasFound || hasDead) }
}

/** At least `token`, and more than the last one. */
function nextToken(state: QueueState, token: bigint): bigint {
  state.lastToken = token > state.lastToken ? token : state.lastToken + 1n
  return state.lastToken
}

/** Removes dead tickets ahead of a ticket that holds from now on. Returns true if one of them may have held. */
function removeDead({ directory, view }: QueueState, own: OwnTicket): boolean {
  let isRecovered = false
  for (const { name, claim } of view.dead.values()) {
    if (name > own.name) continue
    if (claim.kind !== 'shared') isRecovered = true
    // Shared holders leave it: each of them, and the next exclusive one, is notified.
    if (claim.kind !== 'shared' && own.claim.kind === 'shared') continue
    directory.removeEntry(name)
  }
  return isRecovered
}
