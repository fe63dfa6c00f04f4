/**
 * Release and withdraw: closes the guards, then the ticket, then has the successors look (notifier.ts). All of that is done when the call returns.
 *
 * A downgrade is like a release, with a mark in place of the end of the ticket: every later listing shows a shared ticket. The guard keeps exclusive
 * holders out meanwhile: guard.ts.
 */
import { EXCLUSIVE } from '../../../core/claim.ts'
import { DOWNGRADED } from '../ticket-name.ts'
import { closeQuietly } from './held-file.ts'
import type { QueueState } from './state.ts'
import type { OwnTicket } from './ticket.ts'

/** Takes a ticket out of the queue. Does nothing if it has left before. */
export function withdraw(state: QueueState, own: OwnTicket): void {
  if (own.isOver) return
  own.isOver = true
  state.own.delete(own.id)
  // The guards are closed first: a process that sees that the ticket has gone finds them closed.
  own.hold?.close()
  own.hold = undefined
  // Before the ticket: a process that sees that the ticket has gone can remove the directory.
  closeMark(own)
  closeTicket(own)
  state.notifier.onDeparture({ name: own.name, claim: own.claim, hasHeld: own.isHeld })
  state.presence.onLeft(own.request.lingerMs)
}

/**
 * Makes the ticket of an exclusive holder a shared one. Does nothing if it is shared, or no longer holds. If it fails, nothing has changed, and it is tried
 * again once a second.
 *
 * @throws what a system error means.
 */
export function downgrade(state: QueueState, own: OwnTicket): void {
  if (own.isOver || own.hold === undefined || own.mark !== undefined) return
  const { directory } = state
  own.mustShare = true
  // First: a process that sees the mark can't have the guard yet.
  own.mark = directory.makeMark(own.name)
  try {
    directory.guards.share(own.hold, own.name + DOWNGRADED)
  } catch (error) {
    closeMark(own)
    throw error
  }
  own.mustShare = false
  own.isDowngraded = true
  state.notifier.onDeparture({ name: own.name, claim: EXCLUSIVE, hasHeld: true, isDowngrade: true })
}

/** Closes the ticket. If another process has it open still, the guards too: the lock is held by that process from then on. */
export function leaveToOthers(state: QueueState, own: OwnTicket): boolean {
  closeTicket(own)
  if (state.directory.probe(own.name) !== 'open') return false
  own.isOver = true
  state.own.delete(own.id)
  own.hold?.abandon()
  closeMark(own)
  return true
}

function closeTicket(own: OwnTicket): void {
  if (own.isClosed) return
  own.isClosed = true
  closeQuietly(own.descriptor)
}

function closeMark(own: OwnTicket): void {
  if (own.mark === undefined) return
  closeQuietly(own.mark)
  own.mark = undefined
}
