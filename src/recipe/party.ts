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
import { Cancellation } from '../contract/cancellation.ts'
import type { Grant } from '../contract/engine.ts'
import type { EnqueueRequest, GrantFacts, PartyMember, TicketQueue } from '../contract/ticket-queue.ts'
import type { Claim } from '../core/claim.ts'
import { isSameClaim } from '../core/claim.ts'
import { debug } from '../debug.ts'
import type { TicketIdentity } from '../core/ticket.ts'
import { waitForTurn, withdrawQuietly } from './acquire.ts'
import type { Request } from './request.ts'

/** A timer's longest delay: it only keeps the process alive. */
const FOR_EVER_MS = 2 ** 31 - 1
/** How many that were called off are kept before they are cleared away. */
const MOST_SETTLED = 32
/** How often it is looked whether somebody waits, where a holder wants to know, in ms. A look is one listing. */
const WANTED_MS = 1000

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

export class Party implements EnqueueRequest {
  readonly claim: Claim
  wait: boolean
  steal: boolean
  readonly cancellation: Cancellation = new Cancellation()
  lingerMs: number
  readonly #queue: TicketQueue
  readonly #owner: PartyOwner
  #state: PartyState = { kind: 'entering' }
  /** Those who wait, from #next on; settled ones among them were called off. */
  #requests: Request[] = []
  #next = 0
  #waitingCount = 0
  readonly #holders = new Set<PartyGrant>()
  #keepAlive: NodeJS.Timeout | undefined
  /** Runs while a holder wants to know whether it is wanted. */
  #wantedTimer: NodeJS.Timeout | undefined
  /** The nearest party ahead, of this process, that had not entered when that was last looked at. */
  #ahead: Party | undefined
  #entered: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(queue: TicketQueue, owner: PartyOwner, first: Request) {
    this.#queue = queue
    this.#owner = owner
    this.claim = first.claim
    this.wait = first.wait
    this.steal = first.steal
    this.lingerMs = first.lingerMs
    this.#push(first)
  }

  /** Its ticket, once it has one and until it is over. */
  get ticket(): TicketIdentity | undefined {
    return 'ticket' in this.#state ? this.#state.ticket : undefined
  }

  /**
   * `party` while it is entering, else the nearest one ahead of it that is. There may be one: a try enters without
   * waiting for those ahead, and one that was called off before it had entered is over without having waited to the end.
   */
  static #nearestEntering(party: Party | undefined): Party | undefined {
    let nearest = party
    while (nearest !== undefined && nearest.#state.kind !== 'entering') nearest = nearest.#ahead
    return nearest
  }

  /** Whether `request` may join. To be asked only while the ticket is the last in its queue. */
  accepts(request: Request): boolean {
    if (this.claim.kind === 'permit' || request.steal || !isSameClaim(this.claim, request.claim)) return false
    return this.#isOpenTo(request) && (this.ticket === undefined || this.#setCrowded(this.ticket, true))
  }

  #isOpenTo(request: Request): boolean {
    switch (this.#state.kind) {
      case 'entering':
      case 'waiting':
        return this.wait && request.wait
      case 'held':
        // A try may have overtaken parties that are still entering. Those who wait do not overtake them with it.
        return request.wait ? Party.#nearestEntering(this.#ahead) === undefined : this.claim.kind === 'shared'
      case 'over':
        return false
    }
  }

  add(request: Request): void {
    this.lingerMs = Math.max(this.lingerMs, request.lingerMs)
    this.#push(request)
    if (this.#state.kind === 'held' && this.claim.kind === 'shared' && this.#isHolder(this.#state.ticket)) {
      this.#grantNext(this.#state.ticket, false)
    } else this.#updateKeepAlive()
    if (this.ticket !== undefined) request.becomeQueued()
    if (this.#wantedTimer !== undefined) this.#lookIfWanted()
  }

  /** Stands in the queue until all in it have held and released. Never rejects. */
  async run(ahead: Party | undefined): Promise<void> {
    try {
      // Parties of one process enter in the order of their requests. A try waits for nobody: if the one ahead of it
      // is still on its way into the queue, the try may come first.
      this.#ahead = Party.#nearestEntering(ahead)
      while (this.wait && !this.steal && this.#ahead !== undefined) {
        await this.#ahead.#whenEntered()
        this.#ahead = Party.#nearestEntering(this.#ahead)
      }
      const entering = this.cancellation.cancelled ? null : this.#queue.enqueue(this)
      const ticket = entering instanceof Promise ? await entering : entering
      if (ticket === null) return this.#refuse()
      this.#becomeWaiting(ticket)
      await this.#waitForTurn(ticket)
    } catch (error) {
      this.#fail(error)
    }
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
    const members: PartyMember[] = [...this.#holders].map((grant) => grant.request)
    for (let index = this.#next; index < this.#requests.length; index += 1) {
      const request = this.#requests[index]!
      if (!request.isSettled) members.push(request)
    }
    return members
  }

  /** A holder wants to know when somebody waits. */
  watch(): void {
    if (this.#state.kind !== 'held') return
    this.#wantedTimer ??= setInterval(() => this.#lookIfWanted(), WANTED_MS).unref()
    this.#lookIfWanted()
  }

  readonly onLost = (error: Error): void => {
    if (this.#state.kind !== 'held') return
    const { ticket } = this.#state
    // First, so that who asks anew because of the loss comes behind them.
    this.#owner.onStranded(this.#takeWaiting())
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
    if (this.#waitingCount > 0) this.#becomeWaitingAgain(ticket)
    else {
      this.#becomeOver()
      void withdrawQuietly(this.#queue, ticket)
    }
    for (const grant of robbed) grant.lose(error)
  }

  release(grant: PartyGrant): void | Promise<void> {
    if (this.#state.kind !== 'held' || !this.#holders.has(grant) || !this.#isHolder(this.#state.ticket)) return
    this.#holders.delete(grant)
    if (this.#waitingCount > 0) return this.#grantNext(this.#state.ticket, true)
    if (this.#holders.size > 0) return
    const { ticket } = this.#state
    this.#becomeOver()
    return this.#queue.withdraw(ticket)
  }

  #lookIfWanted(): void {
    const isWanted = this.#isWanted()
    if (isWanted) for (const grant of this.#holders) grant.tellWanted()
    if (!isWanted && [...this.#holders].some((grant) => grant.isWatching)) return
    clearInterval(this.#wantedTimer)
    this.#wantedTimer = undefined
  }

  #isWanted(): boolean {
    if (this.#state.kind !== 'held') return false
    try {
      return this.#waitingCount > 0 || this.#queue.isWanted?.(this.#state.ticket) === true
    } catch (error) {
      debug('who waits could not be found out: %s', error)
      return false
    }
  }

  #push(request: Request): void {
    request.onAborted = () => this.#drop()
    this.#requests.push(request)
    this.#waitingCount += 1
  }

  /** One of those who wait was called off, and is settled. */
  #drop(): void {
    this.#waitingCount -= 1
    // Those who were called off are not kept until their turn would have come.
    if (this.#requests.length > 2 * this.#waitingCount + MOST_SETTLED) {
      this.#requests = this.#requests.slice(this.#next).filter((request) => !request.isSettled)
      this.#next = 0
    }
    this.#updateKeepAlive()
    if (this.#waitingCount > 0 || this.#state.kind === 'held') return
    const { ticket } = this
    this.#becomeOver()
    this.cancellation.cancel()
    // Now, not when the loop wakes up: once the request has rejected, nobody waits for it.
    if (ticket !== undefined) void withdrawQuietly(this.#queue, ticket)
  }

  #grantNext(ticket: TicketIdentity, hasWaited: boolean): void {
    if (this.#waitingCount === 0) return
    const facts = this.#queue.granted(ticket)
    const request = this.#shift()
    if (request === undefined) return
    const grant = new PartyGrant(this, request, { ...facts, hasWaited })
    this.#holders.add(grant)
    this.#updateKeepAlive()
    request.resolve(grant)
  }

  /** The first of those who still wait, who then waits no longer. */
  #shift(): Request | undefined {
    while (this.#next < this.#requests.length) {
      const request = this.#requests[this.#next]!
      this.#next += 1
      if (this.#next === this.#requests.length) {
        this.#requests = []
        this.#next = 0
      }
      if (request.isSettled) continue
      request.onAborted = undefined
      this.#waitingCount -= 1
      return request
    }
    return undefined
  }

  #takeWaiting(): Request[] {
    const waiting: Request[] = []
    for (let request = this.#shift(); request !== undefined; request = this.#shift()) waiting.push(request)
    return waiting
  }

  #refuse(): void {
    const refused = this.#takeWaiting()
    this.#becomeOver()
    for (const request of refused) request.resolve(null)
  }

  #fail(error: unknown): void {
    debug('a party of %d failed: %s', this.#waitingCount, error)
    const failed = this.#takeWaiting()
    const { ticket } = this
    this.#becomeOver()
    if (ticket !== undefined) void withdrawQuietly(this.#queue, ticket)
    for (const request of failed) request.reject(error)
  }

  /** Resolves once the party's ticket has joined the queue, or never will. */
  async #whenEntered(): Promise<void> {
    if (this.#state.kind !== 'entering') return
    if (this.#entered === undefined) {
      let resolve: () => void = () => {}
      const promise = new Promise<void>((done) => (resolve = done))
      this.#entered = { promise, resolve }
    }
    await this.#entered.promise
  }

  #becomeWaiting(ticket: TicketIdentity): void {
    if (this.#state.kind === 'entering') this.#state = { kind: 'waiting', ticket }
    // Parties that overlap for ever, as tries for permits may, must not keep all that came before them.
    this.#ahead = Party.#nearestEntering(this.#ahead)
    this.#entered?.resolve()
    for (const request of this.#requests) request.becomeQueued()
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

  /** False where a thief has come; then this party has been told. */
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
    while (this.#waitingCount > 0) this.#grantNext(ticket, hasWaited)
  }

  #becomeOver(): void {
    if (this.#state.kind === 'over') return
    this.#state = { kind: 'over' }
    clearInterval(this.#wantedTimer)
    this.#updateKeepAlive()
    this.#entered?.resolve()
    this.#owner.onOver(this)
  }

  /** Waiting keeps the process alive, holding does not. While the ticket itself waits, the queue sees to that. */
  #updateKeepAlive(): void {
    if (this.#state.kind === 'held' && this.#waitingCount === 0) this.#setCrowded(this.#state.ticket, false)
    if (this.#state.kind === 'held' && this.#waitingCount > 0) {
      this.#keepAlive ??= setInterval(() => {}, FOR_EVER_MS)
    } else if (this.#keepAlive !== undefined) {
      clearInterval(this.#keepAlive)
      this.#keepAlive = undefined
    }
  }
}

/** What one holder in a party has. */
class PartyGrant implements Grant {
  readonly token: bigint
  readonly recovered: boolean
  readonly hasWaited: boolean
  readonly request: Request
  readonly #party: Party
  #lost: Error | undefined
  #onLost: ((error: Error) => void) | undefined
  #onWanted: (() => void) | undefined

  constructor(party: Party, request: Request, facts: GrantFacts & { readonly hasWaited: boolean }) {
    this.#party = party
    this.request = request
    this.token = facts.token
    this.recovered = facts.recovered
    this.hasWaited = facts.hasWaited
  }

  release(): void | Promise<void> {
    return this.#party.release(this)
  }

  onLost(listener: (error: Error) => void): void {
    this.#onLost = listener
    if (this.#lost !== undefined) listener(this.#lost)
  }

  get isWatching(): boolean {
    return this.#onWanted !== undefined
  }

  onWanted(listener: () => void): void {
    this.#onWanted = listener
    this.#party.watch()
  }

  tellWanted(): void {
    const listener = this.#onWanted
    this.#onWanted = undefined
    listener?.()
  }

  lose(error: Error): void {
    this.#lost = error
    this.#onLost?.(error)
  }
}
