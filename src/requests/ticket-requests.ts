/**
 * Requests of one process that share one ticket in the queue, as the engine and the holders see them. group.ts handles the ticket itself.
 *
 * The list has the holders first, then the waiters, first come, first served.
 *
 * All fields are made here, and `Group` has neither fields nor a constructor: then V8 makes a group in one call.
 */
import type { Claim } from '../core/claim.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { clearInterval, keepAliveTimer } from '../real-time.ts'
import { Cancellation } from './cancellation.ts'
import type { Request } from './request.ts'
import type { RequestList } from './request-list.ts'
import { remove, requestsFrom } from './request-list.ts'
import type { PlacedGroup, ResourceRequests } from './resource-requests.ts'
import { Slice } from './slice.ts'
import type { EnqueueRequest, QueuedRequest, TicketQueue } from './ticket-queue.ts'
import { isHeld } from './ticket-queue.ts'
import { isWantedBy, WantedWatch } from './wanted-watch.ts'

export abstract class TicketRequests implements EnqueueRequest, RequestList {
  readonly claim: Claim
  wait: boolean
  steal: boolean
  lingerMs: number
  readonly cancellation: Cancellation
  state: PlacedGroup['state'] = 'outside'
  ticket: TicketIdentity | undefined = undefined
  first: Request | undefined
  last: Request | undefined
  protected firstWaiting: Request | undefined
  protected readonly owner: ResourceRequests
  protected readonly queue: TicketQueue
  /** Undefined if the request that it was made for has not asked for one. */
  protected readonly slice: Slice | undefined
  /** Whether the holder was downgraded, and whether others may know that: then its ticket is shared until it leaves. */
  protected downgraded: 'no' | 'soon' | 'shares' = 'no'
  protected keepAlive: NodeJS.Timeout | undefined = undefined
  /** Looks at the queue for as long as a holder asks whether it is wanted. */
  protected wantedWatch: WantedWatch | undefined = undefined

  constructor(owner: ResourceRequests, request: Request) {
    this.claim = request.claim
    this.wait = request.wait
    this.steal = request.steal
    this.lingerMs = request.lingerMs
    this.cancellation = new Cancellation()
    this.owner = owner
    this.queue = owner.queue
    this.slice =
      request.sliceMs > 0 && owner.queue.ticketPerRequest !== true ? new Slice(owner.queue, request.sliceMs) : undefined
    this.first = request
    this.last = request
    this.firstWaiting = request
    request.group = this
  }

  /** See {@link EnqueueRequest}. */
  requests(): readonly QueuedRequest[] {
    return requestsFrom(this.first)
  }

  get holding(): Request[] {
    return requestsFrom(this.first, this.firstWaiting)
  }

  get waitingRequests(): Request[] {
    return requestsFrom(this.firstWaiting)
  }

  /** Must be called when a holder asks to be notified of a waiting request. */
  watch(): void {
    if (this.state !== 'held') return
    this.wantedWatch ??= new WantedWatch(this)
    this.wantedWatch.look()
  }

  isWanted(): boolean | Promise<boolean> {
    if (this.state !== 'held') return false
    if (this.firstWaiting !== undefined) return true
    return isWantedBy(this.queue, this.ticket!)
  }

  /** See {@link EnqueueRequest}. */
  get isKept(): boolean {
    return this.state === 'kept'
  }

  /** Whether it still holds, as far as one look can tell. */
  isHeld(): boolean {
    return isHeld(this.queue, this.ticket!)
  }

  abstract drop(request: Request): void
  abstract release(request: Request): void | Promise<void>
  abstract onLost(error: Error): void
  abstract onStolen(error: Error): void

  protected setHasWaiters(hasWaiters: boolean): boolean {
    const { stealing } = this.queue
    return stealing === undefined || stealing.setHasWaiters(this.ticket!, hasWaiters)
  }

  /** Waiting keeps the process alive, holding does not. While the ticket itself waits, the queue keeps the process alive. */
  protected updateKeepAlive(): void {
    if (this.state === 'held' && this.firstWaiting === undefined) this.setHasWaiters(false)
    if (this.state === 'held' && this.firstWaiting !== undefined) {
      this.keepAlive ??= keepAliveTimer()
    } else if (this.keepAlive !== undefined) {
      clearInterval(this.keepAlive)
      this.keepAlive = undefined
    }
  }

  protected removeWaiting(request: Request): void {
    if (this.firstWaiting === request) this.firstWaiting = request.next
    if (this.slice?.firstRequest === request) this.slice.firstRequest = request.next
    remove(this, request)
  }

  protected takeHolders(): Request[] {
    const { holding } = this
    for (const request of holding) remove(this, request)
    return holding
  }

  protected takeWaiting(): Request[] {
    const { waitingRequests } = this
    for (const request of waitingRequests) this.removeWaiting(request)
    return waitingRequests
  }
}
