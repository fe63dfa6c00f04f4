/**
 * A group: requests of one process, all with the same claim, that stand in the queue by one ticket.
 *
 * A request may join a group only before the group enters the queue, or while its ticket is the last one there (resource-requests.ts
 * ensures that), so all requests of the group came before all tickets behind its ticket.
 *
 *  state   | meaning                                          | what ends it
 *  --------+--------------------------------------------------+----------------------------------------------
 *  outside | an earlier group of this process has no ticket   | the earlier groups have tickets; no request left in it
 *  joining | has no ticket yet                                | the ticket has joined the queue; a failure; no request left
 *  waiting | its ticket stands in the queue                   | its turn; a refusal; a failure; no request left in it
 *  held    | its turn: one request holds (shared: all hold)   | the last one releases; the ticket is lost; a thief:
 *          |                                                  | then the waiting requests go back to waiting
 *  kept    | no request holds, the slice is open (slice.ts)   | a request; the end of this turn of the event loop; the
 *          |                                                  | ticket is lost; a thief; another group
 *  over    | its ticket has left, or is about to leave        | -
 *
 * `ticket` is set in the states waiting, held and kept only.
 *
 * A downgraded holder shares the lock with others only once no request waits by the ticket: the requests that wait by it came before all tickets behind
 * it, so until then no other request could be granted. From the downgrade on, the group accepts no request. Once others may share, it is over when that
 * holder releases.
 */
import { isSameClaim } from '../core/claim.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { debug } from '../debug.ts'
import { isExiting } from './exiting.ts'
import { keepUntilTurnEnds } from './kept-tickets.ts'
import type { Request } from './request.ts'
import { append, remove, requestsFrom } from './request-list.ts'
import type { PlacedGroup } from './resource-requests.ts'
import type { Slice } from './slice.ts'
import { isHeld, isHolder } from './ticket-queue.ts'
import { TicketRequests } from './ticket-requests.ts'
import type { TurnRequest } from './wait-for-turn.ts'
import { waitForTurn, withdrawQuietly } from './wait-for-turn.ts'

export class Group extends TicketRequests implements TurnRequest, PlacedGroup {
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

  /** Holds at once if the queue is empty. Otherwise the group is over, and its request isn't settled. */
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

  /** See {@link TurnRequest}: a cancellation from now on withdraws this ticket. */
  onRejoined(ticket: TicketIdentity): void {
    if (this.state !== 'waiting') return
    this.ticket = ticket
  }

  onTurn(ticket: TicketIdentity | null, hasWaited: boolean): void {
    if (ticket === null) return this.refuse()
    // RACE: the last request was cancelled after the turn had come, and before this line ran: no request is left to hold.
    if (this.state !== 'waiting') return void withdrawQuietly(this.queue, ticket)
    this.state = 'held'
    this.ticket = ticket
    this.slice?.begin()
    // Bound: each round takes one request out of the waiting ones.
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
    const { ticket, slice } = this
    if (ticket === undefined) return true
    if (slice === undefined) return this.queue.isLast(ticket)
    // Not while an older group waits which a try has overtaken: its requests came first.
    slice.isJoinable = (this.isKept || this.state === 'held') && this.owner.isAlone() && slice.isOpen()
    return slice.isJoinable || slice.look(ticket)
  }

  isOpenTo(request: Request): boolean {
    if (this.queue.ticketPerRequest === true || this.downgraded !== 'no') return false
    if (this.claim.kind === 'permit' || request.steal || !isSameClaim(this.claim, request.claim)) return false
    switch (this.state) {
      case 'outside':
      case 'waiting':
        return this.wait && request.wait
      case 'held':
        // A try may have overtaken groups that are still entering. Waiting requests must not overtake them with it.
        return request.wait ? this.owner.entering === 0 : this.claim.kind === 'shared'
      case 'kept':
        return this.owner.isAlone()
      // Its ticket may stand in the queue already, with others behind it that joined before `request` was made.
      case 'joining':
      case 'over':
        return false
    }
  }

  /** Not shorter: V8 (Node 20) optimizes a function of fewer than 81 bytecodes early, together with all that it calls. That is too much for a cold process. */
  serveKept(request: Request): boolean {
    if (this.state !== 'kept' || request.signal !== undefined || isExiting()) return false
    if (request.steal || request.claim.kind !== 'exclusive') return false
    return this.slice!.isOpenTo(request) && this.resume(request)
  }

  accept(request: Request): boolean {
    if (!this.isOpenTo(request)) return false
    if (this.slice !== undefined && !this.slice.accept(request)) return false
    if (this.state === 'kept') {
      if (!isExiting()) return this.resume(request)
      this.withdrawKept()
      return false
    }
    const { ticket } = this
    const isSharing = this.state === 'held' && this.claim.kind === 'shared'
    if (isSharing ? !isHolder(this.queue, this.ticket!) : ticket !== undefined && !this.setHasWaiters(true))
      return false
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    append(this, request)
    this.firstWaiting ??= request
    if (isSharing) this.grantNext(false)
    else this.updateKeepAlive()
    if (ticket !== undefined) request.becomeQueued()
    this.wantedWatch?.look()
    return true
  }

  onLost(error: Error): void {
    if (this.state !== 'held' && this.state !== 'kept') return
    // First, so that a new request made because of the loss comes behind them.
    this.owner.placeAgain(this.takeWaiting())
    this.end(error)
  }

  onStolen(error: Error): void {
    if (this.state !== 'held' && this.state !== 'kept') return
    if (this.firstWaiting === undefined) return this.end(error)
    const victims = this.takeHolders()
    // The ticket has kept its place for the requests that wait by it.
    this.state = 'waiting'
    this.downgraded = 'no'
    // The request that made the ticket has held; it may have been a try or a thief. The waiting requests are neither.
    this.wait = true
    this.steal = false
    this.updateKeepAlive()
    waitForTurn(this.queue, this.ticket!, this)
    for (const request of victims) request.lose(error)
  }

  /** One of the holders releases. */
  release(request: Request): void | Promise<void> {
    if (this.queue.stealing !== undefined && !isHolder(this.queue, this.ticket!)) return
    remove(this, request)
    if (this.firstWaiting !== undefined) this.passOn()
    if (this.first !== undefined) return
    if (this.slice !== undefined && this.keep(this.slice)) return
    const ticket = this.ticket!
    this.becomeOver()
    return this.queue.withdraw(ticket)
  }

  get canDowngrade(): boolean {
    return this.claim.kind === 'exclusive' && this.queue.downgrade !== undefined
  }

  /** The holder shares from now on. */
  downgrade(): void | Promise<void> {
    if (this.downgraded === 'no') {
      // They may have come after requests that stand behind the ticket. If that can't be determined, this throws, and nothing has changed.
      this.owner.placeAgain(this.giveWay())
      this.downgraded = 'soon'
    }
    if (this.firstWaiting === undefined) return this.share()
  }

  /** From now on, others may hold beside the downgraded holder. */
  private share(): void | Promise<void> {
    this.downgraded = 'shares'
    return this.queue.downgrade!(this.ticket!)
  }

  private async shareQuietly(): Promise<void> {
    try {
      await this.share()
    } catch (error) {
      debug('ticket %s could not be shared: %s', this.ticket?.id, error)
    }
  }

  /** Withdraws the ticket, if it is kept. Never throws. */
  withdrawKept(): void {
    if (this.state === 'kept') this.end()
  }

  giveWay(): readonly Request[] {
    this.withdrawKept()
    const { ticket, slice } = this
    if (ticket === undefined || slice?.firstRequest === undefined || slice.look(ticket) === true) return []
    const displaced = requestsFrom(slice.firstRequest)
    for (const request of displaced) this.removeWaiting(request)
    this.updateKeepAlive()
    if (this.first === undefined) {
      // It waits, since a thief has come.
      this.cancellation.cancel()
      this.end()
    }
    return displaced
  }

  /** `request` was cancelled, and is settled. */
  drop(request: Request): void {
    this.removeWaiting(request)
    this.updateKeepAlive()
    if (this.firstWaiting !== undefined) return
    if (this.state === 'held') {
      if (this.downgraded === 'soon') void this.shareQuietly()
      return
    }
    const { ticket } = this
    this.becomeOver()
    this.cancellation.cancel()
    // Now, not when the loop wakes up: once the request has rejected, nothing waits for it.
    if (ticket !== undefined) void withdrawQuietly(this.queue, ticket)
    if (this.owner.entering > 0) this.owner.admit()
  }

  /** No request holds any more, and others wait. */
  private passOn(): void {
    this.downgraded = 'no'
    // They would never find out that they hold. They are placed again, in case the process goes on after all.
    if (isExiting()) this.owner.placeAgain(this.takeWaiting())
    // Bound: each round takes one request out of the waiting ones.
    while (this.hasNext() && !this.grantNext(true));
  }

  /** Whether a waiting request may be served now. If the requests may not, since their slice is over, they are placed again. */
  private hasNext(): boolean {
    const { firstWaiting, slice } = this
    if (firstWaiting === undefined) return false
    if (slice?.firstRequest !== firstWaiting || slice.goesOn(this.ticket!)) return true
    this.owner.placeAgain(this.takeWaiting())
    return false
  }

  /** No request holds any more: keeps the ticket for requests made in this turn of the event loop, if it may. */
  private keep(slice: Slice): boolean {
    if (
      this.downgraded !== 'no' ||
      slice.lengthMs === 0 ||
      isExiting() ||
      !this.owner.isAlone() ||
      !slice.goesOn(this.ticket!)
    )
      return false
    this.state = 'kept'
    keepUntilTurnEnds(this)
    return true
  }

  /** Grants to `request` by the kept ticket. False if that ticket is gone. */
  private resume(request: Request): boolean {
    // It may have been removed, or stolen.
    if (!isHeld(this.queue, this.ticket!)) {
      this.withdrawKept()
      return false
    }
    this.state = 'held'
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    append(this, request)
    this.firstWaiting = request
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
      if (this.slice?.firstRequest === request) this.slice.firstRequest = request.next
      if (this.queue.stealing !== undefined || this.keepAlive !== undefined || this.firstWaiting !== undefined) {
        this.updateKeepAlive()
      }
      request.grant(facts, hasWaited)
      return true
    } catch (error) {
      this.removeWaiting(request)
      request.reject(error)
      return false
    }
  }

  /** Ends the group: withdraws its ticket, if it has one, and notifies its holders, if any, of the loss. */
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
}
