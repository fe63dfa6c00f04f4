/**
 * A party: requests of one process, all with one and the same claim, that stand in the queue by one ticket.
 *
 * A request may join a party only while the party's ticket is the last in the queue (line.ts sees to that), so all
 * who are in the party came before all who stand behind its ticket.
 *
 *  state    | meaning                                    | what ends it
 *  ---------+--------------------------------------------+----------------------------------------------
 *  entering | has no ticket yet                          | the ticket has joined the queue
 *  waiting  | its ticket stands in the queue             | its turn; a refusal; an error; nobody left in it
 *  held     | its turn: one holds (shared: all hold)     | the last one releases; the ticket is lost; a thief:
 *           |                                            | then those who wait go back to waiting
 *  over     | its ticket has left, or is about to leave  | -
 */
import { Cancellation } from './cancellation.ts'
import { isExiting } from './exiting.ts'
import type { PartyMember, TicketQueue } from './ticket-queue.ts'
import type { Claim } from '../core/claim.ts'
import { isSameClaim } from '../core/claim.ts'
import { debug } from '../debug.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import type { TurnRequest } from './wait-for-turn.ts'
import { waitForTurn, withdrawQuietly } from './wait-for-turn.ts'
import { Entering } from './entering.ts'
import type { GrantingParty } from './party-grant.ts'
import { PartyGrant } from './party-grant.ts'
import type { Request } from './request.ts'
import type { WatchedParty } from './self-wait.ts'
import { WaitingRequests } from './waiting-requests.ts'
import { WantedWatch } from './wanted-watch.ts'
import { setInterval, clearInterval } from '../real-time.ts'

/** A timer's longest delay: it only keeps the process alive. */
const FOR_EVER_MS = 2 ** 31 - 1

export interface PartyOwner {
  /** The party is over, and no longer stands in the line. */
  onOver(party: Party): void
  /** The party's ticket was lost while these waited in it. */
  onStranded(requests: readonly Request[]): void
}

type PartyState =
  | { readonly kind: 'entering' }
  | { readonly kind: 'waiting'; readonly ticket: TicketIdentity }
  | { readonly kind: 'held'; readonly ticket: TicketIdentity }
  | { readonly kind: 'over' }

export class Party implements TurnRequest, GrantingParty, WatchedParty {
  readonly claim: Claim
  wait: boolean
  steal: boolean
  readonly cancellation: Cancellation = new Cancellation()
  lingerMs: number
  readonly #queue: TicketQueue
  readonly #owner: PartyOwner
  #state: PartyState = { kind: 'entering' }
  readonly #waiting: WaitingRequests
  readonly #holders = new Set<PartyGrant>()
  #keepAlive: NodeJS.Timeout | undefined
  /** Looks while a holder wants to know whether it is wanted. */
  #wantedWatch: WantedWatch | undefined
  readonly #entering = new Entering()

  constructor(queue: TicketQueue, owner: PartyOwner, first: Request) {
    this.#queue = queue
    this.#owner = owner
    this.claim = first.claim
    this.wait = first.wait
    this.steal = first.steal
    this.lingerMs = first.lingerMs
    this.#waiting = new WaitingRequests(() => this.#onCalledOff())
    this.#waiting.push(first)
  }

  /** Its ticket, once it has one and until it is over. */
  get ticket(): TicketIdentity | undefined {
    return 'ticket' in this.#state ? this.#state.ticket : undefined
  }

  /** Whether `request` may join. To be asked only while the ticket is the last in its queue. */
  accepts(request: Request): boolean {
    if (!this.isOpenTo(request)) return false
    if (this.#state.kind === 'held' && this.claim.kind === 'shared') return this.#isHolder(this.#state.ticket)
    return this.ticket === undefined || this.#setCrowded(this.ticket, true)
  }

  /** Whether `request` may join if the ticket is the last in its queue, and is not stolen. */
  isOpenTo(request: Request): boolean {
    if (this.#queue.ticketPerRequest === true) return false
    if (this.claim.kind === 'permit' || request.steal || !isSameClaim(this.claim, request.claim)) return false
    switch (this.#state.kind) {
      case 'entering':
      case 'waiting':
        return this.wait && request.wait
      case 'held':
        // A try may have overtaken parties that are still entering. Those who wait do not overtake them with it.
        return request.wait ? !this.#entering.hasAhead : this.claim.kind === 'shared'
      case 'over':
        return false
    }
  }

  add(request: Request): void {
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    this.#waiting.push(request)
    if (this.#state.kind === 'held' && this.claim.kind === 'shared') this.#grantNext(this.#state.ticket, false)
    else this.#updateKeepAlive()
    if (this.ticket !== undefined) request.becomeQueued()
    this.#wantedWatch?.look()
  }

  /** Stands in the queue until all in it have held and released. Never rejects. */
  async run(ahead: Party | undefined): Promise<void> {
    try {
      if (ahead !== undefined) this.#entering.comeBehind(ahead.#entering)
      if (this.wait && !this.steal && this.#entering.hasAhead) await this.#entering.waitForAhead()
      const entering = this.cancellation.cancelled ? null : this.#queue.enqueue(this)
      const ticket = entering instanceof Promise ? await entering : entering
      if (ticket === null) return this.#refuse()
      this.#becomeWaiting(ticket)
      await this.#waitForTurn(ticket)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Holds at once, if the queue is empty. Otherwise it is over, and its request isn't settled. */
  runAtOnce(): void {
    try {
      const ticket = this.#queue.joinIfFree?.(this)
      if (ticket !== undefined) {
        this.#becomeWaiting(ticket)
        void this.#becomeHeld(ticket, false)
        return
      }
    } catch (error) {
      return this.#fail(error)
    }
    this.#waiting.takeAll()
    this.#becomeOver()
  }

  async #waitForTurn(ticket: TicketIdentity): Promise<void> {
    const waiting = waitForTurn(this.#queue, ticket, this)
    const hasWaited = waiting instanceof Promise
    const holder = hasWaited ? await waiting : waiting
    if (holder === null) return this.#refuse()
    await this.#becomeHeld(holder, hasWaited)
  }

  /** For those who ask who stands here: the holders, then those who wait, in their order. */
  readonly party = (): readonly PartyMember[] => {
    const members: PartyMember[] = [...this.holding]
    this.#waiting.forEach((request) => members.push(request))
    return members
  }

  get holding(): readonly Request[] {
    return [...this.#holders].map((grant) => grant.request)
  }

  forEachWaiting(act: (request: Request) => void): void {
    this.#waiting.forEach(act)
  }

  /** A holder wants to know when somebody waits. */
  watch(): void {
    if (this.#state.kind !== 'held') return
    this.#wantedWatch ??= new WantedWatch(this.#holders, () => this.#isWanted())
    this.#wantedWatch.look()
  }

  /** Whoever is called off from now on withdraws this ticket. */
  onRejoined(ticket: TicketIdentity): void {
    if (this.#state.kind === 'waiting') this.#state = { kind: 'waiting', ticket }
  }

  readonly onLost = (error: Error): void => {
    if (this.#state.kind !== 'held') return
    const { ticket } = this.#state
    // First, so that who asks anew because of the loss comes behind them.
    this.#owner.onStranded(this.#waiting.takeAll())
    this.#becomeOver()
    void withdrawQuietly(this.#queue, ticket)
    for (const grant of this.#holders) grant.lose(error)
    this.#holders.clear()
  }

  readonly onStolen = (error: Error): void => {
    if (this.#state.kind !== 'held') return
    const { ticket } = this.#state
    const robbed = [...this.#holders]
    this.#holders.clear()
    if (this.#waiting.count > 0) this.#becomeWaitingAgain(ticket)
    else {
      this.#becomeOver()
      void withdrawQuietly(this.#queue, ticket)
    }
    for (const grant of robbed) grant.lose(error)
  }

  release(grant: PartyGrant): void | Promise<void> {
    if (this.#state.kind !== 'held' || !this.#holders.has(grant) || !this.#isHolder(this.#state.ticket)) return
    this.#holders.delete(grant)
    if (this.#waiting.count > 0) {
      if (!isExiting()) return this.#grantNext(this.#state.ticket, true)
      // They would never know that they hold. They ask anew if the process goes on after all.
      this.#owner.onStranded(this.#waiting.takeAll())
    }
    if (this.#holders.size > 0) return
    const { ticket } = this.#state
    this.#becomeOver()
    return this.#queue.withdraw(ticket)
  }

  isHeldBy(grant: PartyGrant): boolean {
    if (this.#state.kind !== 'held' || !this.#holders.has(grant)) return false
    const { ticket } = this.#state
    return this.#queue.isHeld === undefined ? this.#isHolder(ticket) : this.#queue.isHeld(ticket)
  }

  #isWanted(): boolean | Promise<boolean> {
    if (this.#state.kind !== 'held') return false
    const onFailure = (error: unknown): false => {
      debug('who waits could not be found out: %s', error)
      return false
    }
    try {
      if (this.#waiting.count > 0) return true
      const wanted = this.#queue.isWanted?.(this.#state.ticket) ?? false
      return wanted instanceof Promise ? wanted.catch(onFailure) : wanted
    } catch (error) {
      return onFailure(error)
    }
  }

  /** One of those who wait was called off, and is settled. */
  #onCalledOff(): void {
    this.#updateKeepAlive()
    if (this.#waiting.count > 0 || this.#state.kind === 'held') return
    const { ticket } = this
    this.#becomeOver()
    this.cancellation.cancel()
    // Now, not when the loop wakes up: once the request has rejected, nobody waits for it.
    if (ticket !== undefined) void withdrawQuietly(this.#queue, ticket)
  }

  #grantNext(ticket: TicketIdentity, hasWaited: boolean): void {
    if (this.#waiting.count === 0) return
    const facts = this.#queue.granted(ticket)
    const request = this.#waiting.shift()
    if (request === undefined) return
    const grant = new PartyGrant(this, request, { ...facts, hasWaited })
    this.#holders.add(grant)
    this.#updateKeepAlive()
    request.resolve(grant)
  }

  #refuse(): void {
    const refused = this.#waiting.takeAll()
    this.#becomeOver()
    for (const request of refused) request.resolve(null)
  }

  #fail(error: unknown): void {
    debug('a party of %d failed: %s', this.#waiting.count, error)
    const failed = this.#waiting.takeAll()
    const { ticket } = this
    this.#becomeOver()
    if (ticket !== undefined) void withdrawQuietly(this.#queue, ticket)
    for (const request of failed) request.reject(error)
  }

  #becomeWaiting(ticket: TicketIdentity): void {
    if (this.#state.kind === 'entering') this.#state = { kind: 'waiting', ticket }
    this.#entering.end()
    this.#waiting.forEach((request) => request.becomeQueued())
  }

  /** Those who held by the ticket have been robbed; those who wait by it have kept its place. */
  #becomeWaitingAgain(ticket: TicketIdentity): void {
    this.#state = { kind: 'waiting', ticket }
    // Who made the ticket has held: a try, or a thief, maybe. Those who wait by it are neither.
    this.wait = true
    this.steal = false
    this.#updateKeepAlive()
    this.#waitForTurn(ticket).catch((error: unknown) => this.#fail(error))
  }

  /** False where a thief has come, or the ticket is lost; then this party has been told. */
  #isHolder(ticket: TicketIdentity): boolean {
    return this.#queue.stealing?.isHolder(ticket) !== false
  }

  #setCrowded(ticket: TicketIdentity, isCrowded: boolean): boolean {
    return this.#queue.stealing?.setCrowded(ticket, isCrowded) !== false
  }

  #becomeHeld(ticket: TicketIdentity, hasWaited: boolean): void | Promise<void> {
    // RACE: the last one was called off after the turn had come, and before this line ran: nobody is left to hold.
    if (this.#state.kind !== 'waiting') return this.#queue.withdraw(ticket)
    this.#state = { kind: 'held', ticket }
    this.#grantNext(ticket, hasWaited)
    if (this.claim.kind !== 'shared') return
    while (this.#waiting.count > 0) this.#grantNext(ticket, hasWaited)
  }

  #becomeOver(): void {
    if (this.#state.kind === 'over') return
    this.#state = { kind: 'over' }
    this.#wantedWatch?.stop()
    this.#updateKeepAlive()
    this.#entering.end()
    this.#owner.onOver(this)
  }

  /** Waiting keeps the process alive, holding does not. While the ticket itself waits, the queue sees to that. */
  #updateKeepAlive(): void {
    if (this.#state.kind === 'held' && this.#waiting.count === 0) this.#setCrowded(this.#state.ticket, false)
    if (this.#state.kind === 'held' && this.#waiting.count > 0) {
      this.#keepAlive ??= setInterval(() => {}, FOR_EVER_MS)
    } else if (this.#keepAlive !== undefined) {
      clearInterval(this.#keepAlive)
      this.#keepAlive = undefined
    }
  }
}
