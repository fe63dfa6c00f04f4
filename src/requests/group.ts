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
 *  over    | its ticket has left, or is about to leave        | -
 *
 * `ticket` is set in the states waiting and held only. Requests are in a list: holders first, then the waiting ones, first come, first served.
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
import type { Request } from './request.ts'
import { isWantedBy, WantedWatch } from './wanted-watch.ts'
import { setInterval, clearInterval } from '../real-time.ts'

/** A timer's longest delay: it only keeps the process alive. */
export const FOR_EVER_MS: number = 2 ** 31 - 1

/** All requests of this process for the resource. */
export interface GroupOwner {
  readonly queue: TicketQueue
  /** How many groups are outside or joining. */
  entering: number
  /** Lets the groups in that are outside, as far as it is their turn. */
  admit(): void
  onOver(group: PlacedGroup): void
  /** Places these requests again, before all that came later: the ticket that they waited by is gone. */
  placeAgain(requests: readonly Request[]): void
}

/** Requests that stand in the queue together: a group, or a block (permit-block.ts). */
export interface PlacedGroup {
  readonly state: 'outside' | 'joining' | 'waiting' | 'held' | 'over'
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
}

export class Group implements TurnRequest, PlacedGroup {
  readonly claim: Claim
  wait: boolean
  steal: boolean
  lingerMs: number
  readonly cancellation: Cancellation
  state: 'outside' | 'joining' | 'waiting' | 'held' | 'over' = 'outside'
  ticket: TicketIdentity | undefined = undefined
  private readonly owner: GroupOwner
  private readonly queue: TicketQueue
  private first: Request | undefined
  private firstWaiting: Request | undefined
  private last: Request | undefined
  private keepAlive: NodeJS.Timeout | undefined = undefined
  /** Looks while a holder wants to know whether it is wanted. */
  private wantedWatch: WantedWatch | undefined = undefined

  constructor(owner: GroupOwner, request: Request) {
    this.claim = request.claim
    this.wait = request.wait
    this.steal = request.steal
    this.lingerMs = request.lingerMs
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
    if (this.state === 'waiting') this.ticket = ticket
  }

  onTurn(ticket: TicketIdentity | null, hasWaited: boolean): void {
    if (ticket === null) return this.refuse()
    // RACE: the last request was cancelled after the turn had come, and before this line ran: nobody is left to hold.
    if (this.state !== 'waiting') return void withdrawQuietly(this.queue, ticket)
    this.state = 'held'
    this.ticket = ticket
    // Bound: each round takes one out of those that wait.
    while (this.firstWaiting !== undefined && (!this.grantNext(hasWaited) || this.claim.kind === 'shared'));
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
    return this.ticket === undefined || this.queue.isLast(this.ticket)
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
      case 'over':
        return false
    }
  }

  accept(request: Request): boolean {
    if (!this.isOpenTo(request)) return false
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
    if (this.state !== 'held') return
    // First, so that who asks anew because of the loss comes behind them.
    this.owner.placeAgain(this.takeWaiting())
    this.end(error)
  }

  onStolen(error: Error): void {
    if (this.state !== 'held') return
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
    const ticket = this.ticket!
    this.becomeOver()
    return this.queue.withdraw(ticket)
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
    while (this.firstWaiting !== undefined && !this.grantNext(true));
  }

  /** Grants to the first request that waits. False if it was rejected instead, since it can't be granted. */
  private grantNext(hasWaited: boolean): boolean {
    const request = this.firstWaiting!
    try {
      const facts = this.queue.granted(this.ticket!)
      this.firstWaiting = request.next
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
