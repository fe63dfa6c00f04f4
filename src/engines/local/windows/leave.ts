/** Release and withdraw: closes the guards, then the ticket, then has the successors look (notifier.ts). All of that is done when the call returns. */
import fs from 'node:fs'
import { debug } from '../../../debug.ts'
import { systemCode } from '../../../errors.ts'
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
  closeTicket(own)
  state.notifier.onDeparture({ name: own.name, claim: own.claim, hasHeld: own.isHeld })
  state.presence.onLeft(own.request.lingerMs)
}

/** Closes the ticket. If another process has it open still, the guards too: the lock is held by that process from then on. */
export function leaveToOthers(state: QueueState, own: OwnTicket): boolean {
  closeTicket(own)
  if (state.directory.probe(own.name) !== 'open') return false
  own.isOver = true
  state.own.delete(own.id)
  own.hold?.abandon()
  return true
}

function closeTicket(own: OwnTicket): void {
  if (own.isClosed) return
  own.isClosed = true
  closeQuietly(own.descriptor)
}

/** It is closed already only if the program has closed descriptors that aren't its own. */
export function closeQuietly(descriptor: number): void {
  try {
    fs.closeSync(descriptor)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('descriptor %d cannot be closed: %s', descriptor, error)
  }
}
