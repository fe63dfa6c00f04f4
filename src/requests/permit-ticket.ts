/**
 * A ticket of a group of permits (permit-group.ts). For the request that holds by it, it is also the group that the request is in.
 *
 *  state   | meaning                       | what ends it
 *  --------+-------------------------------+---------------------------------------------------------------------
 *  joining | it has no place yet           | it has joined the queue; a failure; too few requests wait
 *  waiting | it stands in the queue        | its turn; a failure; too few requests wait
 *  held    | a request holds by it         | that request releases, and no other waits; the ticket is lost; a thief
 *  over    | it has left, or is about to   | -
 */
import type { PermitClaim } from '../core/claim.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { Cancellation } from './cancellation.ts'
import type { PermitGroup } from './permit-group.ts'
import type { Request, RequestGroup } from './request.ts'
import type { QueuedRequest } from './ticket-queue.ts'
import { isHeld, isHolder } from './ticket-queue.ts'
import type { TurnRequest } from './wait-for-turn.ts'
import { waitForTurn, withdrawQuietly } from './wait-for-turn.ts'

export class PermitTicket implements TurnRequest, RequestGroup {
  readonly wait = true
  readonly steal = false
  readonly cancellation: Cancellation = new Cancellation()
  state: 'joining' | 'waiting' | 'held' | 'over' = 'joining'
  ticket: TicketIdentity | undefined = undefined
  holder: Request | undefined = undefined
  private readonly group: PermitGroup
  private hasServed: boolean = false

  constructor(group: PermitGroup) {
    this.group = group
  }

  get claim(): PermitClaim {
    return this.group.claim
  }

  get lingerMs(): number {
    return this.group.lingerMs
  }

  requests(): readonly QueuedRequest[] {
    return this.group.requestsOf(this)
  }

  /** Never throws. */
  enter(): void {
    try {
      const joined = this.group.queue.enqueue(this)
      if (!(joined instanceof Promise)) return this.onJoined(joined)
      joined.then(
        (ticket) => this.onSettledLater(() => this.onJoined(ticket)),
        (error: unknown) => this.onSettledLater(() => this.onFailed(error)),
      )
    } catch (error) {
      this.onFailed(error)
    }
  }

  private onSettledLater(settle: () => void): void {
    settle()
    this.group.onSettledLater()
  }

  private onJoined(ticket: TicketIdentity | null): void {
    if (ticket === null) return this.onRefused()
    // RACE: it was dismissed while it joined.
    if (this.state !== 'joining') return void withdrawQuietly(this.group.queue, ticket)
    this.state = 'waiting'
    this.ticket = ticket
    this.group.onJoined()
    this.waitForTurn()
  }

  waitForTurn(): void {
    waitForTurn(this.group.queue, this.ticket!, this)
  }

  onRejoined(ticket: TicketIdentity): void {
    if (this.state === 'waiting') this.ticket = ticket
  }

  onTurn(ticket: TicketIdentity | null, hasWaited: boolean): void {
    if (ticket === null) return this.onRefused()
    // RACE: it was dismissed after the turn had come, and before this line ran.
    if (this.state !== 'waiting') return void withdrawQuietly(this.group.queue, ticket)
    this.ticket = ticket
    // A request that is served after others has waited for them.
    this.group.onTurn(this, hasWaited || this.hasServed)
  }

  private onRefused(): void {
    if (this.state !== 'over') this.group.onRefused(this)
  }

  onFailed(error: unknown): void {
    if (this.state !== 'over') this.group.onFailed(this, error)
  }

  becomeHeld(request: Request): void {
    this.state = 'held'
    this.hasServed = true
    this.holder = request
    request.group = this
  }

  onLost(error: Error): void {
    const holder = this.takeHolder()
    if (holder !== undefined) this.group.onLost(this, holder, error)
  }

  onStolen(error: Error): void {
    const holder = this.takeHolder()
    if (holder !== undefined) this.group.onStolen(this, holder, error)
  }

  release(): void | Promise<void> {
    // If a thief has come, or the ticket is lost, this has been notified.
    if (!isHolder(this.group.queue, this.ticket!)) return
    this.takeHolder()
    return this.group.onReleased(this)
  }

  isHeld(): boolean {
    return isHeld(this.group.queue, this.ticket!)
  }

  watch(): void {
    this.group.watch()
  }

  /** A holder is settled: it can't be cancelled. */
  drop(): void {}

  private takeHolder(): Request | undefined {
    const { holder } = this
    this.holder = undefined
    if (holder !== undefined) holder.group = undefined
    return holder
  }
}
