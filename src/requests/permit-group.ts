/**
 * A group of permits: requests of one process that take one permit each, of the same number n, and share up to n + 1 tickets.
 *
 *  1. A request may join a group only while some of its requests wait, none of its tickets is joining, and no other ticket stands behind any of
 *     them (resource-requests.ts ensures that). So all requests of the group came before all requests behind one of its tickets, and each
 *     ticket may serve each of them.
 *  2. The requests wait in one list. A ticket whose turn it is serves the first one; when that request releases, the ticket serves the next one,
 *     without a listing; it leaves the queue when no request waits.
 *  3. The group has a ticket for each request, up to n + 1 tickets: with n it can use all permits, so no request waits longer than with a ticket of its own.
 *     It never has more waiting tickets than waiting requests.
 *  4. At most n of them hold. So while requests wait, a ticket of the group waits, too: it keeps back requests behind with a larger number, and
 *     notices the death of every holder ahead of it. Therefore handing a ticket to the next request needs no look for dead holders (`recovered`).
 */
import type { PermitClaim } from '../core/claim.ts'
import { isSameClaim } from '../core/claim.ts'
import { debug } from '../debug.ts'
import { isExiting } from './exiting.ts'
import { PermitTicket } from './permit-ticket.ts'
import type { Request } from './request.ts'
import type { RequestList } from './request-list.ts'
import { append, remove, requestsFrom } from './request-list.ts'
import type { PlacedGroup, ResourceRequests } from './resource-requests.ts'
import type { GrantFacts, QueuedRequest, TicketQueue } from './ticket-queue.ts'
import { withdrawQuietly } from './wait-for-turn.ts'
import { isWantedBy, WantedWatch } from './wanted-watch.ts'

export class PermitGroup implements PlacedGroup, RequestList {
  readonly claim: PermitClaim
  readonly queue: TicketQueue
  lingerMs: number
  /** The waiting requests, and their number. */
  first: Request | undefined = undefined
  last: Request | undefined = undefined
  private waiting: number = 0
  private readonly owner: ResourceRequests
  /** In the order in which they were taken. */
  private readonly tickets: PermitTicket[] = []
  /** How many tickets are held, and how many are joining. */
  private held: number = 0
  private joining: number = 0
  private hasEntered: boolean = false
  private isOver: boolean = false
  /** Whether `owner.entering` counts it, as it does when it is made. */
  private isCounted: boolean = true
  private wantedWatch: WantedWatch | undefined = undefined

  constructor(owner: ResourceRequests, request: Request, claim: PermitClaim) {
    this.claim = claim
    this.lingerMs = request.lingerMs
    this.owner = owner
    this.queue = owner.queue
    this.appendWaiting(request)
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
    if (this.joining === 0) this.markQueued()
  }

  isOpenTo(request: Request): boolean {
    // A ticket that is joining may stand in the queue already, with others behind it that joined before `request` was made.
    if (this.isOver || this.waiting === 0 || this.joining > 0) return false
    return request.wait && !request.steal && isSameClaim(this.claim, request.claim)
  }

  isLast(): boolean {
    const own = this.tickets.flatMap(({ ticket }) => ticket ?? [])
    return own.length === 0 || this.queue.areLast!(own)
  }

  /** It keeps no ticket that nobody holds by. */
  serveKept(): boolean {
    return false
  }

  accept(request: Request): boolean {
    if (!this.isOpenTo(request)) return false
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    this.appendWaiting(request)
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
    return requestsFrom(this.first)
  }

  /** It never serves requests by a slice. */
  giveWay(): readonly Request[] {
    return []
  }

  /** `request` waited, was cancelled, and is settled. */
  drop(request: Request): void {
    this.removeWaiting(request)
    this.trim()
    this.update()
  }

  /** A waiting request has nothing to release. */
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
    if (this.waiting > 0) return true
    const held = this.tickets.find(({ holder }) => holder !== undefined)
    return held !== undefined && isWantedBy(this.queue, held.ticket!)
  }

  /** The requests that others see at this ticket: each request at one ticket. */
  requestsOf(ticket: PermitTicket): readonly QueuedRequest[] {
    const index = this.tickets.indexOf(ticket)
    if (index === -1) return []
    const own = ticket.holder === undefined ? [] : [ticket.holder]
    let { first } = this
    for (const { holder } of this.tickets.slice(0, index)) if (holder === undefined) first = first?.next
    if (index === this.tickets.length - 1) return [...own, ...requestsFrom(first)]
    return ticket.holder === undefined ? requestsFrom(first, first?.next) : own
  }

  /** The ticket has joined the queue. */
  onJoined(): void {
    this.joining -= 1
  }

  /** The ticket has joined or failed, but not within the call that made it. */
  onSettledLater(): void {
    this.fill()
    this.update()
    if (this.joining === 0) this.markQueued()
  }

  /** It is the turn of the ticket. */
  onTurn(ticket: PermitTicket, hasWaited: boolean): void {
    if (!this.serve(ticket, hasWaited)) this.dismiss(ticket)
    this.trim()
    this.update()
  }

  /** The ticket got no place, or has lost it and got no other: only if the engine refuses, since it was not cancelled. */
  onRefused(ticket: PermitTicket): void {
    this.removeTicket(ticket)
    if (this.tickets.length === 0) for (const request of this.takeWaiting()) request.refuse()
    this.update()
  }

  /**
   * If the ticket could not join, only the request that it was made for fails: earlier requests have other tickets. If it stood in the
   * queue, all requests that wait by it fail.
   */
  onFailed(ticket: PermitTicket, error: unknown): void {
    debug('a ticket for a permit failed: %s', error)
    const isAlone = ticket.state === 'joining' && this.tickets.length > 1
    this.removeTicket(ticket)
    if (ticket.ticket !== undefined) void withdrawQuietly(this.queue, ticket.ticket)
    const failed = requestsFrom(isAlone ? this.last : this.first)
    for (const request of failed) this.removeWaiting(request)
    for (const request of failed) request.reject(error)
    this.trim()
    this.update()
  }

  onReleased(ticket: PermitTicket): void | Promise<void> {
    this.held -= 1
    ticket.state = 'waiting'
    // They would never find out that they hold. They are placed again, in case the process goes on after all.
    if (isExiting()) this.owner.placeAgain(this.takeWaiting())
    if (this.waiting === 0) {
      this.removeTicket(ticket)
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
    // First, so that a new request made because of the loss comes behind the waiting ones.
    this.fill()
    this.update()
    holder.lose(error)
  }

  /** A thief has come: the ticket has kept its place for the waiting requests. */
  onStolen(ticket: PermitTicket, holder: Request, error: Error): void {
    this.held -= 1
    ticket.state = 'waiting'
    if (this.pending > this.waiting) this.dismiss(ticket)
    else ticket.waitForTurn()
    this.update()
    holder.lose(error)
  }

  private appendWaiting(request: Request): void {
    append(this, request)
    this.waiting += 1
  }

  private removeWaiting(request: Request): void {
    remove(this, request)
    this.waiting -= 1
  }

  private takeWaiting(): Request[] {
    const { waitingRequests } = this
    for (const request of waitingRequests) this.removeWaiting(request)
    return waitingRequests
  }

  private get pending(): number {
    return this.tickets.length - this.held
  }

  /** Takes as many tickets as the requests can use. */
  private fill(): void {
    // Bound: each round takes a ticket that stays, or settles a request.
    while (this.tickets.length <= this.claim.permits && this.pending < this.waiting) {
      const ticket = new PermitTicket(this)
      this.tickets.push(ticket)
      this.joining += 1
      ticket.enter()
    }
  }

  /** Withdraws tickets that no request needs, the last ones first. */
  private trim(): void {
    for (let index = this.tickets.length - 1; this.pending > this.waiting; index -= 1) {
      const ticket = this.tickets[index]!
      if (ticket.state !== 'held') this.dismiss(ticket)
    }
  }

  /** Grants to the first waiting request that can be granted. False if there is none. */
  private serve(ticket: PermitTicket, hasWaited: boolean): boolean {
    // Bound: each round takes one request out of the waiting ones.
    for (;;) {
      const request = this.first
      if (request === undefined) return false
      this.removeWaiting(request)
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

  /** Takes the ticket out of the group, and out of the queue. */
  private dismiss(ticket: PermitTicket): void {
    this.removeTicket(ticket)
    ticket.cancellation.cancel()
    // Now, not when the loop wakes up: once a request has rejected, nothing of it stands there.
    if (ticket.ticket !== undefined) void withdrawQuietly(this.queue, ticket.ticket)
  }

  private removeTicket(ticket: PermitTicket): void {
    const index = this.tickets.lastIndexOf(ticket)
    if (index === -1) return
    this.tickets.splice(index, 1)
    if (ticket.state === 'joining') this.joining -= 1
    ticket.state = 'over'
  }

  /** Must be called after each change. */
  private update(): void {
    if (this.isOver) return
    this.isOver = this.tickets.length === 0 && this.waiting === 0
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

  private markQueued(): void {
    for (const request of this.waitingRequests) request.becomeQueued()
  }
}
