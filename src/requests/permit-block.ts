/**
 * A block: requests of one process for permits of the same number n, that share up to n tickets.
 *
 *  1. A request may join a block only while some of its requests wait, and only while nobody else stands behind any of the block's tickets
 *     (resource-requests.ts sees to that). So all requests of the block came before whoever stands behind one of its tickets, and each
 *     ticket may serve each of them.
 *  2. The requests wait in one list. A ticket whose turn it is serves the first one; when that one releases, the ticket goes on to the next one,
 *     without a listing; it leaves the queue when nobody waits.
 *  3. The block has a ticket for each request, up to n tickets: with n it can use all permits, so nobody waits longer than by a ticket of its own.
 *     It never has more tickets that wait than requests that wait.
 *  4. So while requests wait, either a ticket of the block waits, too, and notices the death of every holder ahead of it; or the block holds all
 *     permits, and its last ticket has found all ahead of it alive. Therefore passing on needs no look for those that died (`recovered`).
 *
 * Of a ticket:
 *
 *  state   | meaning                       | what ends it
 *  --------+-------------------------------+---------------------------------------------------------------------
 *  joining | it has no place yet           | it has joined the queue; a failure; too few requests wait
 *  waiting | it stands in the queue        | its turn; a failure; too few requests wait
 *  held    | a request holds by it         | that one releases, and nobody waits; the ticket is lost; a thief
 *  over    | it has left, or is about to   | -
 */
import { setInterval, clearInterval } from '../real-time.ts'
import type { PermitClaim } from '../core/claim.ts'
import { isSameClaim } from '../core/claim.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { debug } from '../debug.ts'
import { Cancellation } from './cancellation.ts'
import { isExiting } from './exiting.ts'
import type { GroupOwner, PlacedGroup } from './group.ts'
import { FOR_EVER_MS } from './group.ts'
import type { Request, RequestGroup } from './request.ts'
import { RequestList } from './request-list.ts'
import type { GrantFacts, QueuedRequest, TicketQueue } from './ticket-queue.ts'
import type { TurnRequest } from './wait-for-turn.ts'
import { waitForTurn, withdrawQuietly } from './wait-for-turn.ts'
import { isWantedBy, WantedWatch } from './wanted-watch.ts'

/** Whether requests for permits can share tickets in this queue. */
export function hasBlocks(queue: TicketQueue): boolean {
  return queue.areLast !== undefined && queue.ticketPerRequest !== true
}

export class PermitBlock implements PlacedGroup, RequestGroup {
  readonly claim: PermitClaim
  readonly queue: TicketQueue
  lingerMs: number
  private readonly owner: GroupOwner
  private readonly waiting: RequestList = new RequestList()
  /** In the order in which they were taken. */
  private readonly tickets: PermitTicket[] = []
  /** How many tickets are held, and how many are joining. */
  private held: number = 0
  private joining: number = 0
  private hasEntered: boolean = false
  private isOver: boolean = false
  /** Whether it is one of those that `owner.entering` counts: it is when it is made. */
  private isCounted: boolean = true
  private keepAlive: NodeJS.Timeout | undefined = undefined
  private wantedWatch: WantedWatch | undefined = undefined

  constructor(owner: GroupOwner, request: Request, claim: PermitClaim) {
    this.claim = claim
    this.lingerMs = request.lingerMs
    this.owner = owner
    this.queue = owner.queue
    this.append(request)
  }

  get state(): 'outside' | 'joining' | 'waiting' | 'over' {
    if (this.isOver) return 'over'
    if (!this.hasEntered) return 'outside'
    return this.joining > 0 ? 'joining' : 'waiting'
  }

  enter(): void {
    this.hasEntered = true
    this.fill()
    this.update()
    if (this.joining === 0) this.tellQueued()
  }

  isOpenTo(request: Request): boolean {
    if (this.isOver || this.waiting.length === 0) return false
    return request.wait && !request.steal && isSameClaim(this.claim, request.claim)
  }

  isLast(): boolean {
    const own = this.tickets.flatMap(({ ticket }) => ticket ?? [])
    return own.length === 0 || this.queue.areLast!(own)
  }

  accept(request: Request): boolean {
    if (!this.isOpenTo(request)) return false
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    this.append(request)
    if (!this.hasEntered) return true
    this.fill()
    this.update()
    if (this.joining === 0) request.becomeQueued()
    this.wantedWatch?.look()
    return true
  }

  get holding(): Request[] {
    return this.tickets.flatMap(({ holder }) => holder ?? [])
  }

  get waitingRequests(): Request[] {
    return this.waiting.toArray()
  }

  /** It never serves requests by a slice. */
  giveWay(): readonly Request[] {
    return []
  }

  /** `request` waited, was cancelled, and is settled. */
  drop(request: Request): void {
    this.waiting.remove(request)
    this.trim()
    this.update()
  }

  /** Who waits has nothing to release, and does not hold. */
  release(): void {}

  isHeld(): boolean {
    return false
  }

  /** A holder wants to know when another request waits. */
  watch(): void {
    this.wantedWatch ??= new WantedWatch(this)
    this.wantedWatch.look()
  }

  isWanted(): boolean | Promise<boolean> {
    if (this.waiting.length > 0) return true
    const held = this.tickets.find(({ holder }) => holder !== undefined)
    return held !== undefined && isWantedBy(this.queue, held.ticket!)
  }

  /** Who stands by the ticket, for others to see: each request by one ticket. */
  requestsOf(ticket: PermitTicket): readonly QueuedRequest[] {
    const index = this.tickets.indexOf(ticket)
    if (index === -1) return []
    const place = this.tickets.slice(0, index).filter(({ holder }) => holder === undefined).length
    const own: QueuedRequest[] = ticket.holder === undefined ? [] : [ticket.holder]
    const end = index === this.tickets.length - 1 ? this.waiting.length : place + 1 - own.length
    return [...own, ...this.waiting.slice(place, end)]
  }

  /** The ticket has joined the queue. */
  onJoined(): void {
    this.joining -= 1
  }

  /** The same, and not in the call that took it. */
  onJoinedLater(): void {
    this.update()
    if (this.joining === 0) this.tellQueued()
  }

  /** It is the turn of the ticket. */
  onTurn(ticket: PermitTicket, hasWaited: boolean): void {
    if (!this.serve(ticket, hasWaited)) this.dismiss(ticket)
    this.update()
  }

  /** The ticket got no place, or has lost it, and there is no other one for it: only if the engine refuses, for it was not cancelled. */
  onRefused(ticket: PermitTicket): void {
    this.remove(ticket)
    if (this.tickets.length === 0) for (const request of this.waiting.takeAll()) request.refuse()
    this.update()
  }

  /**
   * If the ticket could not join, the request that it was taken for fails alone: those that came before have other tickets. If it stood in the
   * queue, all fail that wait by it.
   */
  onFailed(ticket: PermitTicket, error: unknown): void {
    debug('a ticket for a permit failed: %s', error)
    const isAlone = ticket.state === 'joining' && this.tickets.length > 1
    this.remove(ticket)
    if (ticket.ticket !== undefined) void withdrawQuietly(this.queue, ticket.ticket)
    const failed = isAlone ? [this.waiting.pop()] : this.waiting.takeAll()
    for (const request of failed) request?.reject(error)
    this.trim()
    this.update()
  }

  onReleased(ticket: PermitTicket): void | Promise<void> {
    this.held -= 1
    ticket.state = 'waiting'
    // They would never know that they hold. They ask anew if the process goes on after all.
    if (isExiting()) this.owner.placeAgain(this.waiting.takeAll())
    if (this.waiting.length === 0) {
      this.remove(ticket)
      this.trim()
      this.update()
      return this.queue.withdraw(ticket.ticket!)
    }
    this.onTurn(ticket, true)
  }

  /** The ticket is gone, and so is what its holder held. */
  onLost(ticket: PermitTicket, holder: Request, error: Error): void {
    this.held -= 1
    this.dismiss(ticket)
    // First, so that who asks anew because of the loss comes behind those that wait.
    this.fill()
    this.update()
    holder.lose(error)
  }

  /** A thief has come: the ticket has kept its place, for those that wait. */
  onStolen(ticket: PermitTicket, holder: Request, error: Error): void {
    this.held -= 1
    ticket.state = 'waiting'
    if (this.tickets.length - this.held > this.waiting.length) this.dismiss(ticket)
    else ticket.waitForTurn()
    this.update()
    holder.lose(error)
  }

  private append(request: Request): void {
    request.group = this
    this.waiting.append(request)
  }

  private get pending(): number {
    return this.tickets.length - this.held
  }

  /** Takes as many tickets as the requests can use. */
  private fill(): void {
    // Bound: each round takes a ticket that stays, or settles a request.
    while (this.tickets.length < this.claim.permits && this.pending < this.waiting.length) {
      const ticket = new PermitTicket(this)
      this.tickets.push(ticket)
      this.joining += 1
      ticket.enter()
    }
  }

  /** Withdraws tickets that nobody waits by, the last ones first. */
  private trim(): void {
    for (let index = this.tickets.length - 1; this.pending > this.waiting.length; index -= 1) {
      const ticket = this.tickets[index]!
      if (ticket.state !== 'held') this.dismiss(ticket)
    }
  }

  /** Grants to the first request that waits and can be granted. False if there is none. */
  private serve(ticket: PermitTicket, hasWaited: boolean): boolean {
    // Bound: each round takes one out of those that wait.
    for (;;) {
      const request = this.waiting.shift()
      if (request === undefined) return false
      let facts: GrantFacts
      try {
        facts = this.queue.granted(ticket.ticket!)
      } catch (error) {
        request.reject(error)
        continue
      }
      this.held += 1
      ticket.becomeHeld(request)
      request.grant(facts, hasWaited)
      return true
    }
  }

  /** Takes the ticket out of the block, and out of the queue. */
  private dismiss(ticket: PermitTicket): void {
    this.remove(ticket)
    ticket.cancellation.cancel()
    // Now, not when the loop wakes up: once a request has rejected, nothing of it stands there.
    if (ticket.ticket !== undefined) void withdrawQuietly(this.queue, ticket.ticket)
  }

  private remove(ticket: PermitTicket): void {
    const index = this.tickets.lastIndexOf(ticket)
    if (index === -1) return
    this.tickets.splice(index, 1)
    if (ticket.state === 'joining') this.joining -= 1
    ticket.state = 'over'
  }

  /** To be called after each change. */
  private update(): void {
    if (this.isOver) return
    this.isOver = this.tickets.length === 0 && this.waiting.length === 0
    // Waiting keeps the process alive, holding does not. While a ticket waits, the queue sees to that.
    if (this.waiting.length > 0 && this.held > 0 && this.pending === 0) {
      this.keepAlive ??= setInterval(() => {}, FOR_EVER_MS)
    } else if (this.keepAlive !== undefined) {
      clearInterval(this.keepAlive)
      this.keepAlive = undefined
    }
    if (this.isOver) {
      this.wantedWatch?.stop()
      this.owner.onOver(this)
    }
    this.count()
  }

  private count(): void {
    const { state } = this
    const isEntering = state === 'outside' || state === 'joining'
    if (isEntering === this.isCounted) return
    this.isCounted = isEntering
    this.owner.entering += isEntering ? 1 : -1
    if (!isEntering && this.owner.entering > 0) this.owner.admit()
  }

  private tellQueued(): void {
    for (const request of this.waiting.toArray()) request.becomeQueued()
  }
}

/** A ticket of a block; and, for the request that holds by it, the group that it is in. */
class PermitTicket implements TurnRequest, RequestGroup {
  readonly wait = true
  readonly steal = false
  readonly cancellation: Cancellation = new Cancellation()
  state: 'joining' | 'waiting' | 'held' | 'over' = 'joining'
  ticket: TicketIdentity | undefined = undefined
  holder: Request | undefined = undefined
  private readonly block: PermitBlock
  private hasServed: boolean = false

  constructor(block: PermitBlock) {
    this.block = block
  }

  get claim(): PermitClaim {
    return this.block.claim
  }

  get lingerMs(): number {
    return this.block.lingerMs
  }

  requests(): readonly QueuedRequest[] {
    return this.block.requestsOf(this)
  }

  /** Never throws. */
  enter(): void {
    try {
      const joined = this.block.queue.enqueue(this)
      if (!(joined instanceof Promise)) return this.onJoined(joined)
      joined.then(
        (ticket) => this.onJoinedLater(ticket),
        (error: unknown) => this.onFailed(error),
      )
    } catch (error) {
      this.onFailed(error)
    }
  }

  private onJoinedLater(ticket: TicketIdentity | null): void {
    this.onJoined(ticket)
    this.block.onJoinedLater()
  }

  private onJoined(ticket: TicketIdentity | null): void {
    if (ticket === null) return this.onRefused()
    // RACE: dismissed while it joined.
    if (this.state !== 'joining') return void withdrawQuietly(this.block.queue, ticket)
    this.state = 'waiting'
    this.ticket = ticket
    this.block.onJoined()
    this.waitForTurn()
  }

  waitForTurn(): void {
    waitForTurn(this.block.queue, this.ticket!, this)
  }

  onRejoined(ticket: TicketIdentity): void {
    if (this.state === 'waiting') this.ticket = ticket
  }

  onTurn(ticket: TicketIdentity | null, hasWaited: boolean): void {
    if (ticket === null) return this.onRefused()
    // RACE: dismissed after the turn had come, and before this line ran.
    if (this.state !== 'waiting') return void withdrawQuietly(this.block.queue, ticket)
    this.ticket = ticket
    // Whoever is served after others has waited for them.
    this.block.onTurn(this, hasWaited || this.hasServed)
  }

  private onRefused(): void {
    if (this.state !== 'over') this.block.onRefused(this)
  }

  onFailed(error: unknown): void {
    if (this.state !== 'over') this.block.onFailed(this, error)
  }

  becomeHeld(request: Request): void {
    this.state = 'held'
    this.hasServed = true
    this.holder = request
    request.group = this
  }

  onLost(error: Error): void {
    const holder = this.takeHolder()
    if (holder !== undefined) this.block.onLost(this, holder, error)
  }

  onStolen(error: Error): void {
    const holder = this.takeHolder()
    if (holder !== undefined) this.block.onStolen(this, holder, error)
  }

  release(): void | Promise<void> {
    // If a thief has come, or the ticket is lost, this has been notified.
    if (!this.isHolder()) return
    this.takeHolder()
    return this.block.onReleased(this)
  }

  isHeld(): boolean {
    const { queue } = this.block
    return queue.isHeld === undefined ? this.isHolder() : queue.isHeld(this.ticket!)
  }

  watch(): void {
    this.block.watch()
  }

  /** A holder is settled: it can't be cancelled. */
  drop(): void {}

  private isHolder(): boolean {
    const { stealing } = this.block.queue
    return stealing === undefined || stealing.isHolder(this.ticket!)
  }

  private takeHolder(): Request | undefined {
    const { holder } = this
    this.holder = undefined
    if (holder !== undefined) holder.group = undefined
    return holder
  }
}
