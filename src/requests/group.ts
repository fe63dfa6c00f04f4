/**
 * A group: requests of one process, all with the same claim, that stand in the queue by one ticket.
 *
 * A request may join a group only while the group's ticket is the last in the queue (resource-requests.ts sees to that), so all
 * requests of the group came before all that stand behind its ticket.
 *
 *  state   | meaning                                          | what ends it
 *  --------+--------------------------------------------------+----------------------------------------------
 *  outside | an earlier group of this process has no ticket   | the earlier groups have theirs; nobody left in it
 *  joining | has no ticket yet                                | the ticket has joined the queue; a failure; nobody left
 *  waiting | its ticket stands in the queue                   | its turn; a refusal; a failure; nobody left in it
 *  held    | its turn: one request holds (shared: all hold)   | the last one releases; the ticket is lost; a thief:
 *          |                                                  | then the waiting requests go back to waiting
 *  kept    | nobody holds, and the slice is open              | a request; the end of this turn of the event loop; the
 *          |                                                  | ticket is lost; a thief; another group
 *  over    | its ticket has left, or is about to leave        | -
 *
 * `ticket` is set in the states waiting, held and kept only. Requests are in a list: holders first, then the waiting ones, first come, first served.
 *
 * A slice: for `sliceMs` after a moment when nobody stood behind the ticket, the group takes in, and serves, requests of its process without another
 * look, if the ticket holds.
 *
 *  1. It begins before the ticket joins the queue, or before a look that then shows nobody behind. So it ends at most `sliceMs` after somebody has joined
 *     behind the ticket.
 *  2. A request that has joined by a slice may have come after one that stands behind the ticket. It is served while a slice is open, or once
 *     a look shows nobody behind; otherwise it is placed again, behind that one.
 *  3. Only the newest group of its process serves by a slice: when another one comes, requests that have joined by the slice are placed before that one.
 */
import { Cancellation } from './cancellation.ts'
import { isExiting } from './exiting.ts'
import type { QueuedRequest, TicketQueue } from './ticket-queue.ts'
import type { Claim } from '../core/claim.ts'
import { isSameClaim } from '../core/claim.ts'
import { debug } from '../debug.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import type { TurnRequest } from './wait-for-turn.ts'
import { waitForTurn, withdrawQuietly } from './wait-for-turn.ts'
import { forgetKept, keepUntilTurnEnds } from './kept-tickets.ts'
import type { TicketKeeper } from './kept-tickets.ts'
import type { Request } from './request.ts'
import { isWantedBy, WantedWatch } from './wanted-watch.ts'
import { setInterval, clearInterval, monotonicNowMs } from '../real-time.ts'

/** A timer's longest delay: it only keeps the process alive. */
export const FOR_EVER_MS: number = 2 ** 31 - 1

/** All requests of this process for the resource. */
export interface GroupOwner {
  readonly queue: TicketQueue
  /** How many groups are outside or joining. */
  entering: number
  /** Whether it is the only group. */
  isAlone(): boolean
  /** Lets the groups in that are outside, as far as it is their turn. */
  admit(): void
  onOver(group: PlacedGroup): void
  /** Places these requests again, before all that came later: the ticket that they waited by is gone. */
  placeAgain(requests: readonly Request[]): void
}

/** Requests that stand in the queue together: a group, or a block (permit-block.ts). */
export interface PlacedGroup {
  readonly state: 'outside' | 'joining' | 'waiting' | 'held' | 'kept' | 'over'
  readonly holding: readonly Request[]
  readonly waitingRequests: readonly Request[]
  /** Stands in the queue until all its requests have held and released. Never throws. */
  enter(): void
  /** Whether `request` may join if the group is the last in its queue. Asked of the newest group only. */
  isOpenTo(request: Request): boolean
  /** Whether nobody else stands behind it, as far as it stands in the queue. */
  isLast(): boolean | Promise<boolean>
  /** Takes `request` in, if it may join. To be called only while the group is the last in its queue. */
  accept(request: Request): boolean
  /**
   * Another group of this process is about to come: serves nobody by a slice from now on. Returns the requests that are to be placed before those
   * of the other group.
   */
  giveWay(): readonly Request[]
}

export class Group implements TurnRequest, PlacedGroup, TicketKeeper {
  readonly claim: Claim
  wait: boolean
  steal: boolean
  lingerMs: number
  readonly cancellation: Cancellation
  state: PlacedGroup['state'] = 'outside'
  ticket: TicketIdentity | undefined = undefined
  private readonly owner: GroupOwner
  private readonly queue: TicketQueue
  private first: Request | undefined
  private firstWaiting: Request | undefined
  private last: Request | undefined
  private keepAlive: NodeJS.Timeout | undefined = undefined
  /** Looks while a holder wants to know whether it is wanted. */
  private wantedWatch: WantedWatch | undefined = undefined
  /** The shortest slice that one of its requests has asked for. */
  private sliceMs: number
  /** When nobody stood behind the ticket, by the monotonic clock. */
  private sliceSinceMs: number = -Infinity
  /** Whether the last answer of {@link isLast} was by the slice. */
  private acceptsBySlice: boolean = false
  /** The first one of the waiting requests that has joined by a slice: all behind it have come after it. */
  private firstBySlice: Request | undefined = undefined

  constructor(owner: GroupOwner, request: Request) {
    this.claim = request.claim
    this.wait = request.wait
    this.steal = request.steal
    this.lingerMs = request.lingerMs
    this.sliceMs = owner.queue.ticketPerRequest === true ? 0 : request.sliceMs
    this.cancellation = new Cancellation()
    this.owner = owner
    this.queue = owner.queue
    this.first = request
    this.firstWaiting = request
    this.last = request
    request.group = this
  }

  enter(): void {
    this.state = 'joining'
    if (this.sliceMs > 0) this.sliceSinceMs = monotonicNowMs()
    try {
      const joined = this.queue.enqueue(this)
      if (!(joined instanceof Promise)) return this.onJoined(joined)
      joined.then(
        (ticket) => this.onJoined(ticket),
        (error: unknown) => this.onFailed(error),
      )
    } catch (error) {
      this.onFailed(error)
    }
  }

  /** Holds at once, if the queue is empty. Otherwise it is over, and its request isn't settled. */
  enterAtOnce(): void {
    this.state = 'joining'
    try {
      const ticket = this.queue.joinIfFree?.(this)
      if (ticket !== undefined) {
        this.becomeWaiting(ticket)
        return this.onTurn(ticket, false)
      }
    } catch (error) {
      return this.onFailed(error)
    }
    this.takeWaiting()
    this.becomeOver()
  }

  private onJoined(ticket: TicketIdentity | null): void {
    if (ticket === null) return this.refuse()
    try {
      this.becomeWaiting(ticket)
    } catch (error) {
      return this.onFailed(error)
    }
    waitForTurn(this.queue, ticket, this)
    if (this.owner.entering > 0) this.owner.admit()
  }

  private becomeWaiting(ticket: TicketIdentity): void {
    // RACE: cancelled while the ticket joined: then it is over, and the ticket is withdrawn at the first look.
    if (this.state !== 'joining') return
    this.state = 'waiting'
    this.ticket = ticket
    this.owner.entering -= 1
    const first = this.first!
    if (first !== this.last) for (const request of this.waitingRequests) request.becomeQueued()
    else if (first.onQueued !== undefined) first.becomeQueued()
  }

  /** See {@link TurnRequest}: whoever cancels from now on withdraws this ticket. */
  onRejoined(ticket: TicketIdentity): void {
    if (this.state !== 'waiting') return
    this.ticket = ticket
    this.sliceSinceMs = -Infinity
  }

  onTurn(ticket: TicketIdentity | null, hasWaited: boolean): void {
    if (ticket === null) return this.refuse()
    // RACE: the last request was cancelled after the turn had come, and before this line ran: nobody is left to hold.
    if (this.state !== 'waiting') return void withdrawQuietly(this.queue, ticket)
    this.state = 'held'
    this.ticket = ticket
    // Bound: each round takes one out of those that wait.
    while (this.hasNext() && (!this.grantNext(hasWaited) || this.claim.kind === 'shared'));
    // None of them could be granted.
    if (this.first === undefined) this.end()
  }

  onFailed(error: unknown): void {
    debug('a group of requests failed: %s', error)
    const failed = this.takeWaiting()
    this.end(error as Error)
    for (const request of failed) request.reject(error)
    if (this.owner.entering > 0) this.owner.admit()
  }

  private refuse(): void {
    const refused = this.takeWaiting()
    this.becomeOver()
    for (const request of refused) request.refuse()
    if (this.owner.entering > 0) this.owner.admit()
  }

  isLast(): boolean | Promise<boolean> {
    if (this.ticket === undefined) return true
    if (this.sliceMs === 0) return this.queue.isLast(this.ticket)
    // Not while an older group waits that a try has overtaken: its requests came first.
    this.acceptsBySlice = (this.isKept || this.state === 'held') && this.owner.isAlone() && this.isSliceOpen()
    return this.acceptsBySlice || this.look(this.ticket)
  }

  isOpenTo(request: Request): boolean {
    if (this.queue.ticketPerRequest === true) return false
    if (this.claim.kind === 'permit' || request.steal || !isSameClaim(this.claim, request.claim)) return false
    switch (this.state) {
      case 'outside':
      case 'joining':
      case 'waiting':
        return this.wait && request.wait
      case 'held':
        // A try may have overtaken groups that are still entering. Requests that wait do not overtake them with it.
        return request.wait ? this.owner.entering === 0 : this.claim.kind === 'shared'
      case 'kept':
        return this.owner.isAlone()
      case 'over':
        return false
    }
  }

  accept(request: Request): boolean {
    if (!this.isOpenTo(request)) return false
    if (this.sliceMs > 0 && !this.acceptWithSlice(request)) return false
    if (this.state === 'kept') return this.resume(request)
    const { ticket } = this
    const isSharing = this.state === 'held' && this.claim.kind === 'shared'
    if (isSharing ? !this.isHolder() : ticket !== undefined && !this.setCrowded(true)) return false
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    this.append(request)
    if (isSharing) this.grantNext(false)
    else this.updateKeepAlive()
    if (ticket !== undefined) request.becomeQueued()
    this.wantedWatch?.look()
    return true
  }

  /** See {@link EnqueueRequest}. */
  requests(): readonly QueuedRequest[] {
    return this.requestsUntil(this.first, undefined)
  }

  get holding(): Request[] {
    return this.requestsUntil(this.first, this.firstWaiting)
  }

  get waitingRequests(): Request[] {
    return this.requestsUntil(this.firstWaiting, undefined)
  }

  /** A holder wants to know when another request waits. */
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

  onLost(error: Error): void {
    if (this.state !== 'held' && this.state !== 'kept') return
    // First, so that who asks anew because of the loss comes behind them.
    this.owner.placeAgain(this.takeWaiting())
    this.end(error)
  }

  onStolen(error: Error): void {
    if (this.state !== 'held' && this.state !== 'kept') return
    if (this.firstWaiting === undefined) return this.end(error)
    const robbed = this.takeHolders()
    // The ticket has kept its place, for those that wait by it.
    this.state = 'waiting'
    // Who made the ticket has held: a try, or a thief, maybe. Those who wait by it are neither.
    this.wait = true
    this.steal = false
    this.updateKeepAlive()
    waitForTurn(this.queue, this.ticket!, this)
    for (const request of robbed) request.lose(error)
  }

  /** One of the holders releases. */
  release(request: Request): void | Promise<void> {
    if (this.queue.stealing !== undefined && !this.isHolder()) return
    this.remove(request)
    if (this.firstWaiting !== undefined) this.passOn()
    if (this.first !== undefined) return
    if (this.sliceMs > 0 && this.keep()) return
    const ticket = this.ticket!
    this.becomeOver()
    return this.queue.withdraw(ticket)
  }

  /** See {@link EnqueueRequest}. */
  get isKept(): boolean {
    return this.state === 'kept'
  }

  handOver(): void {
    if (this.state === 'kept') this.end()
  }

  giveWay(): readonly Request[] {
    this.handOver()
    if (this.ticket === undefined || this.firstBySlice === undefined || this.look(this.ticket) === true) return []
    const displaced = this.requestsUntil(this.firstBySlice, undefined)
    for (const request of displaced) this.remove(request)
    this.updateKeepAlive()
    if (this.first === undefined) {
      // It waits, since a thief has come.
      this.cancellation.cancel()
      this.end()
    }
    return displaced
  }

  /** Whether it holds still, as far as one look tells. */
  isHeld(): boolean {
    return this.queue.isHeld === undefined ? this.isHolder() : this.queue.isHeld(this.ticket!)
  }

  /** `request` was cancelled, and is settled. */
  drop(request: Request): void {
    this.remove(request)
    this.updateKeepAlive()
    if (this.firstWaiting !== undefined || this.state === 'held') return
    const { ticket } = this
    this.becomeOver()
    this.cancellation.cancel()
    // Now, not when the loop wakes up: once the request has rejected, nobody waits for it.
    if (ticket !== undefined) void withdrawQuietly(this.queue, ticket)
    if (this.owner.entering > 0) this.owner.admit()
  }

  /** Nobody holds any more, and others wait. */
  private passOn(): void {
    // They would never know that they hold. They ask anew if the process goes on after all.
    if (isExiting()) this.owner.placeAgain(this.takeWaiting())
    // Bound: each round takes one out of those that wait.
    while (this.hasNext() && !this.grantNext(true));
  }

  /** Whether a request waits that may be served now. If they may not, since their slice is over, they are placed again. */
  private hasNext(): boolean {
    if (this.firstWaiting === undefined) return false
    if (this.firstWaiting !== this.firstBySlice || this.isSliceOpen()) return true
    try {
      if (this.look(this.ticket!) === true) return true
    } catch (error) {
      debug('who stands behind could not be found out: %s', error)
    }
    this.owner.placeAgain(this.takeWaiting())
    return false
  }

  /** Whether requests may still be served without a look. */
  private isSliceOpen(): boolean {
    return monotonicNowMs() - this.sliceSinceMs < this.sliceMs
  }

  /** Looks whether nobody stands behind: then a new slice begins, and all that have joined have come before whoever comes. */
  private look(ticket: TicketIdentity): boolean | Promise<boolean> {
    const nowMs = monotonicNowMs()
    const isLast = this.queue.isLast(ticket)
    if (isLast !== true) return isLast
    this.sliceSinceMs = nowMs
    this.firstBySlice = undefined
    return true
  }

  /** Nobody holds any more: keeps the ticket for requests that come in this turn of the event loop, if it may. */
  private keep(): boolean {
    if (isExiting() || !this.owner.isAlone()) return false
    try {
      if (!this.isSliceOpen() && this.look(this.ticket!) !== true) return false
    } catch (error) {
      debug('who stands behind could not be found out: %s', error)
      return false
    }
    this.state = 'kept'
    keepUntilTurnEnds(this)
    return true
  }

  /** The shortest slice counts. False if it is over, and the request was to join by it. */
  private acceptWithSlice(request: Request): boolean {
    this.sliceMs = Math.min(this.sliceMs, request.sliceMs)
    if (!this.acceptsBySlice) return true
    if (!this.isSliceOpen()) return false
    if (this.state === 'held') this.firstBySlice ??= request
    return true
  }

  /** Grants to `request` by the ticket that is kept. False if it is gone. */
  private resume(request: Request): boolean {
    // It may have been removed, or stolen; and what leaves when the process exits has taken it out.
    if (isExiting() || !this.isHeld()) {
      this.handOver()
      return false
    }
    this.state = 'held'
    forgetKept(this)
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    this.append(request)
    // It could not be granted, and is rejected.
    if (!this.grantNext(false)) this.end()
    return true
  }

  /** Grants to the first request that waits. False if it was rejected instead, since it can't be granted. */
  private grantNext(hasWaited: boolean): boolean {
    const request = this.firstWaiting!
    try {
      const facts = this.queue.granted(this.ticket!)
      this.firstWaiting = request.next
      if (this.firstBySlice === request) this.firstBySlice = request.next
      if (this.queue.stealing !== undefined || this.keepAlive !== undefined || this.firstWaiting !== undefined) {
        this.updateKeepAlive()
      }
      request.grant(facts, hasWaited)
      return true
    } catch (error) {
      this.remove(request)
      request.reject(error)
      return false
    }
  }

  /** Ends it: withdraws its ticket, if it has one, and tells its holders, if there are any, of the loss. */
  private end(error?: Error): void {
    const { ticket } = this
    const holders = this.takeHolders()
    this.becomeOver()
    if (ticket !== undefined) void withdrawQuietly(this.queue, ticket)
    for (const request of holders) request.lose(error!)
  }

  private becomeOver(): void {
    if (this.state === 'over') return
    if (this.state === 'outside' || this.state === 'joining') this.owner.entering -= 1
    else if (this.state === 'kept') forgetKept(this)
    this.state = 'over'
    this.ticket = undefined
    this.wantedWatch?.stop()
    if (this.keepAlive !== undefined) this.updateKeepAlive()
    this.owner.onOver(this)
  }

  /** False if a thief has come, or the ticket is lost: then this group has been notified. */
  private isHolder(): boolean {
    const { stealing } = this.queue
    return stealing === undefined || stealing.isHolder(this.ticket!)
  }

  private setCrowded(isCrowded: boolean): boolean {
    const { stealing } = this.queue
    return stealing === undefined || stealing.setCrowded(this.ticket!, isCrowded)
  }

  /** Waiting keeps the process alive, holding does not. While the ticket itself waits, the queue sees to that. */
  private updateKeepAlive(): void {
    if (this.state === 'held' && this.firstWaiting === undefined) this.setCrowded(false)
    if (this.state === 'held' && this.firstWaiting !== undefined) {
      this.keepAlive ??= setInterval(() => {}, FOR_EVER_MS)
    } else if (this.keepAlive !== undefined) {
      clearInterval(this.keepAlive)
      this.keepAlive = undefined
    }
  }

  private append(request: Request): void {
    request.group = this
    request.previous = this.last
    if (this.last === undefined) this.first = request
    else this.last.next = request
    this.last = request
    this.firstWaiting ??= request
  }

  private remove(request: Request): void {
    const { previous, next } = request
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.last = previous
    else next.previous = previous
    if (this.firstWaiting === request) this.firstWaiting = next
    if (this.firstBySlice === request) this.firstBySlice = next
    request.group = undefined
    // The caller may keep it for long: it must not keep the others.
    request.previous = undefined
    request.next = undefined
  }

  private takeHolders(): Request[] {
    const { holding } = this
    for (const request of holding) this.remove(request)
    return holding
  }

  private takeWaiting(): Request[] {
    const { waitingRequests } = this
    for (const request of waitingRequests) this.remove(request)
    return waitingRequests
  }

  private requestsUntil(first: Request | undefined, end: Request | undefined): Request[] {
    const requests: Request[] = []
    for (let request = first; request !== undefined && request !== end; request = request.next) requests.push(request)
    return requests
  }
}
