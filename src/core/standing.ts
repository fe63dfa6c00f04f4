/** Who holds and who waits, read off one listing of live tickets. Pure. */
import type { Claim } from './claim.ts'
import type { Ticket } from './ticket.ts'

/** Splits a listing into the tickets whose turn it is and the waiting ones, both in queue order. */
export function splitByTurn<T extends Ticket>(listing: readonly T[]): { held: T[]; pending: T[] } {
  const held: T[] = []
  const pending: T[] = []
  const ahead = new Ahead()
  for (const ticket of listing) {
    if (ahead.leaveTurnTo(ticket.claim)) held.push(ticket)
    else pending.push(ticket)
  }
  return { held, pending }
}

/** What stands ahead, as far as it matters to the tickets behind. */
class Ahead {
  private isEmpty: boolean = true
  private barsSharing: boolean = false
  /** There is a ticket that doesn't ask for permits, or a ticket of permits without room. */
  private barsPermits: boolean = false
  private taken: number = 0

  /** Adds the next ticket. Returns whether it is that ticket's turn. */
  leaveTurnTo(claim: Claim): boolean {
    const isTurn = this.isTurnOf(claim)
    this.isEmpty = false
    if (claim.kind !== 'shared') this.barsSharing = true
    if (claim.kind !== 'permit' || !isTurn) this.barsPermits = true
    else this.taken += claim.take
    return isTurn
  }

  private isTurnOf(claim: Claim): boolean {
    switch (claim.kind) {
      case 'exclusive':
        return this.isEmpty
      case 'shared':
        return !this.barsSharing
      case 'permit':
        return !this.barsPermits && this.taken + claim.take <= claim.permits
    }
  }
}
