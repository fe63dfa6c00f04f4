/**
 * The slice of a group (group.ts): for some ms, if its ticket holds, the group accepts and serves requests of its process without another look.
 *
 *  1. It begins at the ticket's turn, or before a look that then shows no ticket behind. So for each ticket ahead, a request behind waits for one slice,
 *     and for one hold that began within it.
 *  2. A request that has joined by a slice may have come after a request that stands behind the ticket. It is served while a slice is open, or once a look shows
 *     no ticket behind; otherwise it is placed again, behind that request.
 *  3. Only the newest group of its process serves by a slice: when another group comes, requests that have joined by the slice are placed before that group.
 */
import { debug } from '../debug.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { monotonicNowMs } from '../real-time.ts'
import type { Request } from './request.ts'
import type { TicketQueue } from './ticket-queue.ts'

export class Slice {
  /** The shortest slice that a request of the group has asked for. 0 if a request has asked for none: then the slice is never open. */
  lengthMs: number
  /** The first of the waiting requests that joined by a slice. All behind it came after it. */
  firstRequest: Request | undefined = undefined
  /** Whether requests join by the slice, as of the last check. */
  isJoinable: boolean = false
  private readonly queue: TicketQueue
  /** When it began, by the monotonic clock. */
  private sinceMs: number = -Infinity

  constructor(queue: TicketQueue, lengthMs: number) {
    this.queue = queue
    this.lengthMs = lengthMs
  }

  /** The ticket has its turn. */
  begin(): void {
    this.sinceMs = monotonicNowMs()
  }

  /** Whether requests may be served without a look. */
  isOpen(): boolean {
    return monotonicNowMs() - this.sinceMs < this.lengthMs
  }

  /** Looks whether no ticket is behind. If so, a new slice begins, and all requests that have joined come before any later one. */
  look(ticket: TicketIdentity): boolean | Promise<boolean> {
    const nowMs = monotonicNowMs()
    const isLast = this.queue.isLast(ticket)
    if (isLast !== true) return isLast
    this.sinceMs = nowMs
    this.firstRequest = undefined
    return true
  }

  /** Whether requests that have joined by the slice may be served: it is open, or a look begins a new one. A look that fails doesn't begin one. */
  goesOn(ticket: TicketIdentity): boolean {
    if (monotonicNowMs() - this.sinceMs < this.lengthMs) return true
    try {
      // Handing over is never wrong. If those behind have left since, it costs a new ticket.
      if (this.queue.wasLast?.(ticket) === false) return false
      return this.look(ticket) === true
    } catch (error) {
      debug('cannot find out which tickets are behind: %s', error)
      return false
    }
  }

  /** Whether `request` may be served without a look. From this call on, the slice isn't longer than the request allows. */
  isOpenTo(request: Request): boolean {
    this.lengthMs = Math.min(this.lengthMs, request.sliceMs)
    return this.isOpen()
  }

  /** Counts a request that joins the group. Returns false if the request was to join by a slice that is over. */
  accept(request: Request): boolean {
    if (!this.isJoinable) {
      this.lengthMs = Math.min(this.lengthMs, request.sliceMs)
      return true
    }
    if (!this.isOpenTo(request)) return false
    this.firstRequest ??= request
    return true
  }
}
