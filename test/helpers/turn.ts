import type { Ticket, TicketIdentity } from '../../src/core/ticket.ts'
import type { EnqueueRequest, TicketQueue } from '../../src/requests/ticket-queue.ts'
import { waitForTurn } from '../../src/requests/wait-for-turn.ts'

/** Resolves with the ticket that holds, or with null; rejects if waiting fails. */
export function turnOf<Own extends TicketIdentity, T extends Ticket>(
  queue: TicketQueue<Own, T>,
  own: Own,
  request: EnqueueRequest,
): Promise<Own | null> {
  return new Promise((resolve, reject) => {
    const onTurn = (ticket: TicketIdentity | null): void => resolve(ticket as Own | null)
    waitForTurn(queue, own, { ...request, onTurn, onFailed: reject })
  })
}
