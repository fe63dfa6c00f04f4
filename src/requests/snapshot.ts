/** Converts a listing to what `query` shows: each ticket may stand for several requests. */
import type { EngineSnapshot, Requester } from './engine.ts'
import { splitByTurn } from '../core/standing.ts'
import type { Ticket } from '../core/ticket.ts'

/** @param requestersOf returns the requests of a ticket, in their order; at least one. */
export function snapshotOf<T extends Ticket>(
  listing: readonly T[],
  requestersOf: (ticket: T) => readonly Requester[],
): EngineSnapshot {
  const { held, pending } = splitByTurn(listing)
  const snapshot = { held: [] as Requester[], pending: [] as Requester[] }
  for (const ticket of held) {
    const requesters = requestersOf(ticket)
    // Only one request of an exclusive group holds; the others of the group come before all requests behind its ticket.
    const holding = ticket.claim.kind === 'shared' ? requesters.length : 1
    // There may be more of them than a call can have arguments.
    for (const [index, requester] of requesters.entries())
      (index < holding ? snapshot.held : snapshot.pending).push(requester)
  }
  for (const ticket of pending) for (const requester of requestersOf(ticket)) snapshot.pending.push(requester)
  return snapshot
}
