/**
 * The one loop of all claims and all ticket engines: enqueue, list, decide, wait, list again.
 *
 *  1. A wake-up is only a hint: after it, list and decide again.
 *  2. A listing without the request's own ticket decides nothing: join again (at the end; the old place is gone).
 *  3. Whatever ends the loop without a grant withdraws the ticket.
 */
import type { EnqueueRequest, TicketQueue } from './ticket-queue.ts'
import { describeClaim } from '../core/claim.ts'
import type { Ticket, TicketIdentity } from '../core/ticket.ts'
import { decideTurn, isCertainlyBlocked } from '../core/turn.ts'
import { SlocketError } from '../errors.ts'
import { debug } from '../debug.ts'

/** A request that waits for its turn. One of `onTurn` and `onFailed` is called, once. */
export interface TurnRequest extends EnqueueRequest {
  /** Called with the new ticket when the old one was removed from outside, and the request has joined again. */
  onRejoined?(ticket: TicketIdentity): void
  /**
   * Called with the ticket that holds (another one, if it has joined again); with null if `wait` is false and the lock is held or others wait ahead,
   * or if the request was cancelled. Must not throw.
   *
   * @param hasWaited false if the turn had come at the first look.
   */
  onTurn(ticket: TicketIdentity | null, hasWaited: boolean): void
  /** Called with ERR_SLOCKET_CLAIM_MISMATCH, or whatever the queue throws. Must not throw. */
  onFailed(error: unknown): void
}

/** Waits until the ticket `own`, which has joined `queue`, has its turn. Never throws. */
export function waitForTurn<Own extends TicketIdentity, T extends Ticket>(
  queue: TicketQueue<Own, T>,
  own: Own,
  request: TurnRequest,
): void {
  let listing: readonly T[] | Promise<readonly T[]>
  try {
    listing = queue.list(own)
    // At once if it can be: most locks are free when they are asked for.
    if (!(listing instanceof Promise) && !request.cancellation.cancelled && decideTurn(own, listing).kind === 'held') {
      if (queue.stealing === undefined || queue.stealing.becomeHolder(own)) return request.onTurn(own, false)
      listing = queue.list(own)
    }
  } catch (error) {
    listing = Promise.reject(error)
  }
  void loop(queue, own, request, listing)
}

async function loop<Own extends TicketIdentity, T extends Ticket>(
  queue: TicketQueue<Own, T>,
  own: Own,
  request: TurnRequest,
  first: readonly T[] | Promise<readonly T[]>,
): Promise<void> {
  const { cancellation } = request
  let ticket = own
  let listing = first
  let changing: void | Promise<void>
  try {
    // Bound: none but the caller's cancellation. Each round ends in a wait that a change, or the engine's own
    // look-again, ends.
    for (;;) {
      const turn = decideTurn(ticket, listing instanceof Promise ? await listing : listing)
      if (cancellation.cancelled) {
        await queue.withdraw(ticket)
        return request.onTurn(null, true)
      }
      switch (turn.kind) {
        case 'held':
          if (queue.stealing === undefined || queue.stealing.becomeHolder(ticket)) return request.onTurn(ticket, true)
          break
        case 'missing': {
          debug('ticket %s was removed from outside; joining again', ticket.id)
          const next = await joinAgain(queue, ticket, request)
          if (next === null) return request.onTurn(null, true)
          ticket = next
          request.onRejoined?.(next)
          break
        }
        case 'mismatch':
          throw new SlocketError(
            'ERR_SLOCKET_CLAIM_MISMATCH',
            `the request asks for ${describeClaim(request.claim)}, but others for this lock ask for ${describeClaim(turn.with.claim)}: ` +
              'permits do not mix with exclusive and shared claims; use the same kind everywhere, or another lock',
          )
        case 'blocked':
          if (!request.wait && isCertainlyBlocked(turn.on)) {
            await queue.withdraw(ticket)
            return request.onTurn(null, true)
          }
          changing = queue.anyChange(ticket, turn.on, cancellation)
          // Awaits only if there is something to wait for: each turn of the microtask queue costs time.
          if (changing !== undefined) await changing
          break
      }
      listing = queue.list(ticket)
    }
  } catch (error) {
    await withdrawQuietly(queue, ticket)
    request.onFailed(error)
  }
}

async function joinAgain<Own extends TicketIdentity>(
  queue: TicketQueue<Own>,
  ticket: Own,
  request: EnqueueRequest,
): Promise<Own | null> {
  if (queue.rejoin !== undefined) return await queue.rejoin(ticket, request)
  await queue.withdraw(ticket)
  return await queue.enqueue(request)
}

/** Withdraws after a failure; a second failure must not hide the first. */
export async function withdrawQuietly<Own extends TicketIdentity>(queue: TicketQueue<Own>, ticket: Own): Promise<void> {
  try {
    await queue.withdraw(ticket)
  } catch (error) {
    debug('ticket %s could not be withdrawn: %s', ticket.id, error)
  }
}
