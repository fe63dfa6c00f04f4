/**
 * The slice of a group (group.ts): for some ms after a moment when nobody stood behind the group's ticket, the group takes in, and serves, requests of its
 * process without another look, if the ticket holds.
 *
 *  1. It begins before the ticket joins the queue, or before a look that then shows nobody behind. So it ends at most its length after somebody has
 *     joined behind the ticket.
 *  2. A request that has joined by a slice may have come after one that stands behind the ticket. It is served while a slice is open, or once a look shows
 *     nobody behind; otherwise it is placed again, behind that one.
 *  3. Only the newest group of its process serves by a slice: when another one comes, requests that have joined by the slice are placed before that one.
 */
import { debug } from '../debug.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { monotonicNowMs } from '../real-time.ts'
import type { Request } from './request.ts'
import type { TicketQueue } from './ticket-queue.ts'

export class Slice {
  /** The shortest that a request of the group has asked for. 0 if one has asked for none: then it is never open. */
  lengthMs: number
  /** The first one of the waiting requests that has joined by a slice: all behind it have come after it. */
  firstRequest: Request | undefined = undefined
  /** Whether requests join by it: what was found out last. */
  isJoinable: boolean = false
  private readonly queue: TicketQueue
  /** When nobody stood behind the ticket, by the monotonic clock. */
  private sinceMs: number = -Infinity

  constructor(queue: TicketQueue, lengthMs: number) {
    this.queue = queue
    this.lengthMs = lengthMs
  }

  /** The ticket is about to join the queue. */
  begin(): void {
    this.sinceMs = monotonicNowMs()
  }

  /** The ticket has joined again, behind others maybe. */
  end(): void {
    this.sinceMs = -Infinity
  }

  /** Whether requests may be served without a look. */
  isOpen(): boolean {
    return monotonicNowMs() - this.sinceMs < this.lengthMs
  }

  /** Looks whether nobody stands behind: then a new slice begins, and all that have joined have come before whoever comes. */
  look(ticket: TicketIdentity): boolean | Promise<boolean> {
    const nowMs = monotonicNowMs()
    const isLast = this.queue.isLast(ticket)
    if (isLast !== true) return isLast
    this.sinceMs = nowMs
    this.firstRequest = undefined
    return true
  }

  /** Whether requests that have joined by it may be served: it is open, or a look begins a new one. A look that fails does not. */
  goesOn(ticket: TicketIdentity): boolean {
    if (monotonicNowMs() - this.sinceMs < this.lengthMs) return true
    try {
      return this.look(ticket) === true
    } catch (error) {
      debug('who stands behind could not be found out: %s', error)
      return false
    }
  }

  /** Takes in a request that joins the group. False if that was to join by a slice, and it is over. */
  accept(request: Request): boolean {
    this.lengthMs = Math.min(this.lengthMs, request.sliceMs)
    if (!this.isJoinable) return true
    if (!this.isOpen()) return false
    this.firstRequest ??= request
    return true
  }
}
