/**
 * A group of permits: requests of one process that take one permit each, of the same number n, and share up to n + 1 tickets.
 *
 *  1. A request may join a group only while some of its requests wait, none of its tickets is joining, and nobody else stands behind any of
 *     them (resource-requests.ts sees to that). So all requests of the group came before whoever stands behind one of its tickets, and each
 *     ticket may serve each of them.
 *  2. The requests wait in one list. A ticket whose turn it is serves the first one; when that one releases, the ticket goes on to the next one,
 *     without a listing; it leaves the queue when nobody waits.
 *  3. The group has a ticket for each request, up to n + 1 tickets: with n it can use all permits, so nobody waits longer than by a ticket of its own.
 *     It never has more tickets that wait than requests that wait.
 *  4. At most n of them hold. So while requests wait, a ticket of the group waits, too: it keeps back those behind that say a larger number, and
 *     notices the death of every holder ahead of it. Therefore passing on needs no look for those that died (`recovered`).
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
  /** The requests that wait, and how many they are. */
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
  /** Whether it is one of those that `owner.entering` counts: it is when it is made. */
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
    if (this.joining === 0) this.tellQueued()
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
    if (this.waiting > 0) return true
    const held = this.tickets.find(({ holder }) => holder !== undefined)
    return held !== undefined && isWantedBy(this.queue, held.ticket!)
  }

  /** Who stands by the ticket, for others to see: each request by one ticket. */
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

  /** It has joined or failed, and not in the call that took it. */
  onSettledLater(): void {
    this.fill()
    this.update()
    if (this.joining === 0) this.tellQueued()
  }

  /** It is the turn of the ticket. */
  onTurn(ticket: PermitTicket, hasWaited: boolean): void {
    if (!this.serve(ticket, hasWaited)) this.dismiss(ticket)
    this.trim()
    this.update()
  }

  /** The ticket got no place, or has lost it, and there is no other one for it: only if the engine refuses, for it was not cancelled. */
  onRefused(ticket: PermitTicket): void {
    this.removeTicket(ticket)
    if (this.tickets.length === 0) for (const request of this.takeWaiting()) request.refuse()
    this.update()
  }

  /**
   * If the ticket could not join, the request that it was taken for fails alone: those that came before have other tickets. If it stood in the
   * queue, all fail that wait by it.
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
    // They would never know that they hold. They ask anew if the process goes on after all.
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
    // First, so that who asks anew because of the loss comes behind those that wait.
    this.fill()
    this.update()
    holder.lose(error)
  }

  /** A thief has come: the ticket has kept its place, for those that wait. */
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

  /** Withdraws tickets that nobody waits by, the last ones first. */
  private trim(): void {
    for (let index = this.tickets.length - 1; this.pending > this.waiting; index -= 1) {
      const ticket = this.tickets[index]!
      if (ticket.state !== 'held') this.dismiss(ticket)
    }
  }

  /** Grants to the first request that waits and can be granted. False if there is none. */
  private serve(ticket: PermitTicket, hasWaited: boolean): boolean {
    // Bound: each round takes one out of those that wait.
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

  /** To be called after each change. */
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

  private tellQueued(): void {
    for (const request of this.waitingRequests) request.becomeQueued()
  }
}
