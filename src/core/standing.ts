/** Who holds and who waits, read off one listing of live tickets. Pure. */
import type { Ticket } from './ticket.ts'
import { decideTurn } from './turn.ts'

/** Splits a listing into the tickets whose turn it is and the waiting ones, both in queue order. */
export function splitByTurn<T extends Ticket>(listing: readonly T[]): { held: T[]; pending: T[] } {
  const held: T[] = []
  const pending: T[] = []
  let isSharingBarred = false
  for (const ticket of listing) {
    const isHeld =
      ticket.claim.kind === 'permit'
        ? decideTurn(ticket, listing).kind === 'held'
        : ticket.claim.kind === 'shared'
          ? !isSharingBarred
          : held.length + pending.length === 0
    if (ticket.claim.kind !== 'shared') isSharingBarred = true
    if (isHeld) held.push(ticket)
    else pending.push(ticket)
  }
  return { held, pending }
}
