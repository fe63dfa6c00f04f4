/**
 * The queue of one lock, as one client sees it. The server decides whose turn it is (scripts.ts). This module renews tickets, and notifies their owners of
 * the server's decisions.
 *
 *  1. A ticket holds if the server has said so, and its lease is sure to last by the clocks of this process: see deadline.ts.
 *  2. A client has one lease for all its tickets in a queue. One script renews it, three times in a lease and every ten seconds at least, and also looks at the
 *     tickets. A waiter looks, too, when the first lease in the queue runs out. So a lost notification costs a third of a lease, or ten seconds, and a crashed
 *     holder exactly its lease.
 *  3. A held ticket that is lost stays on the server for a moment, since the holder may still be about to stop. Then it is removed: the server may have it for
 *     a whole lease longer, by a renewal whose reply didn't come, or as a waiter if another server has taken over without its grant.
 */
import { describeClaim } from '../../core/claim.ts'
import type { Ticket } from '../../core/ticket.ts'
import { isSlocketError, SlocketError } from '../../errors.ts'
import { debug } from '../../debug.ts'
import { setTimeout, clearTimeout, monotonicNowMs, queueMicrotask, sleep } from '../../real-time.ts'
import type { Cancellation } from '../../requests/cancellation.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../requests/ticket-queue.ts'
import type { Reading } from '../deadline.ts'
import { marginMs, readClocks } from '../deadline.ts'
import { JoinOrder } from '../join-order.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Identity } from '../ticket-value.ts'
import { formatValue } from '../ticket-value.ts'
import type { Connection } from './connection.ts'
import { channelPrefix, formatClaim, parseClaim } from './names.ts'
import type { Settings } from './options.ts'
import { DOWNGRADE, JOIN, LEAVE, RENEW } from './scripts.ts'
import { aheadOf, OwnTicket } from './ticket.ts'

const RENEWALS_PER_TTL = 3
/** The longest time between two renewals, in ms, however long a lease is: a lost notification delays a grant, or the report of a loss, by no more. */
const LONGEST_RENEWAL_MS = 10_000
/** Node's timers have whole milliseconds, and so have leases. */
const ROUNDING_MS = 2

/** How long the server keeps tickets that are not renewed, in ms. */
export interface Lease {
  readonly ttlMs: number
  /** Whether it may be made longer. It is never made shorter. */
  readonly grows?: boolean
}

/** What the queues of one engine share. */
export interface QueueParts {
  readonly settings: Settings
  readonly lease: Lease
  readonly connection: Connection
  readonly identity: Identity
  /** The tickets that the server may have, and their queues. */
  readonly own: Map<string, { readonly ticket: OwnTicket; readonly queue: RedisQueue }>
  /** An id whose number is larger than those of all earlier ones of this client. */
  readonly nextId: () => string
}

export class RedisQueue implements TicketQueue<OwnTicket, Ticket>, Stealing<OwnTicket> {
  readonly ticketPerRequest = true
  readonly stealing: Stealing<OwnTicket> = this
  readonly #parts: QueueParts
  readonly #name: string
  readonly #prefix: string
  /** The tickets that the server may have. */
  readonly #tickets = new Set<OwnTicket>()
  readonly #joinOrder = new JoinOrder()
  /** For the next renewal. */
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0
  #renewing: Promise<number> | undefined
  /** A look was asked for that the renewal under way may come too early for. */
  #isRenewedAgain = false

  constructor(parts: QueueParts, name: string) {
    this.#parts = parts
    this.#name = name
    this.#prefix = channelPrefix(parts.settings.namespace)
  }

  async enqueue(request: EnqueueRequest): Promise<OwnTicket | null> {
    this.#joinOrder.add(request)
    return await this.#enter(request)
  }

  /** Its request keeps its place among those of this process. */
  async rejoin(own: OwnTicket): Promise<OwnTicket | null> {
    this.#joinOrder.goOut(own)
    await this.#remove(own)
    return await this.#enter(own.request)
  }

  /** If it resolves without a ticket, the request has lost its place. */
  async #enter(request: EnqueueRequest): Promise<OwnTicket | null> {
    let own: OwnTicket | null = null
    try {
      // Bound: each round but the last finds that older tickets of this client are gone.
      for (let reply: OwnTicket | 'too early' | null = 'too early'; reply === 'too early';) {
        await this.#joinOrder.next(request)
        if (request.cancellation.cancelled) return null
        reply = await this.#join(request)
        if (reply !== 'too early') own = reply
      }
      if (own !== null) this.#joinOrder.stand(own)
      return own
    } catch (error) {
      if (isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) this.#joinOrder.fail(error)
      throw error
    } finally {
      if (own === null) this.#joinOrder.leave(request)
    }
  }

  async #join(request: EnqueueRequest): Promise<OwnTicket | 'too early' | null> {
    const { connection, identity, nextId } = this.#parts
    const own = new OwnTicket(nextId(), this.#name, request)
    // The lease of this call: the setting may have changed by the time of the reply.
    const ttlMs = this.#ttlMs
    let sent: Reading | undefined
    const onSend = (): void => {
      sent = readClocks()
      own.hearsSince = connection.hearsSince
    }
    const { claim, wait, steal, cancellation } = request
    const mode = steal ? 'steal' : wait ? 'wait' : 'try'
    // RACE: older requests of this process may just have lost their places, without knowing it. They come first.
    const older = mode === 'wait' ? [...this.#tickets].find((one) => one.hasJoined && one.isPending) : undefined
    const value = formatValue(identity, own)
    const args = [this.#prefix, own.id, this.#formatLease(ttlMs), mode, formatClaim(claim), value, older?.id ?? '']
    this.#add(own)
    try {
      const reply = await connection.ask(JOIN, this.#name, args, { isOver: () => cancellation.cancelled, onSend })
      const [state = '', nextExpiry = '-1'] = reply ?? []
      if (state.startsWith('mismatch')) throw mismatch(request, state.slice('mismatch '.length))
      if (state === 'refused' || state === 'too early') {
        this.#forget(own)
        if (state === 'refused') return null
        await this.renew()
        return 'too early'
      }
      if (reply !== undefined && sent !== undefined) own.onReply(state, sent, ttlMs)
      if (!own.hasJoined) {
        this.#abandon(own)
        return null
      }
      this.#renewIn(this.#untilRenewalMs(Number(nextExpiry)))
      return own
    } catch (error) {
      this.#abandon(own)
      throw error
    }
  }

  list(own: OwnTicket): readonly Ticket[] | Promise<readonly Ticket[]> {
    // If its lock was stolen before the grant was known here, it has held nevertheless.
    if (own.state === 'gone' && !own.isStolen) return []
    if (own.facts === undefined) return [aheadOf(own), toTicket(own)]
    return this.#parts.settings.replicas === 0 || own.confirmed === own.facts ? [toTicket(own)] : this.#confirm(own)
  }

  async anyChange(own: OwnTicket, _among: readonly Ticket[], cancellation: Cancellation): Promise<void> {
    const stopKeepAlive = keepAlive()
    let onWoken: (() => void) | undefined
    const woken = new Promise<void>((resolve) => (onWoken = resolve))
    own.onWoken = onWoken
    cancellation.listen(onWoken!)
    try {
      if (own.failure === undefined && own.state === 'waiting' && !cancellation.cancelled) {
        await Promise.race([woken, this.#untilWoken(own, woken)])
      }
    } finally {
      cancellation.stopListening(onWoken!)
      own.onWoken = undefined
      stopKeepAlive()
    }
    if (own.failure !== undefined) throw own.failure
  }

  /**
   * RACE: this process may have been stopped until the lease was over by its clocks. If it isn't over on the server, all its tickets are still there: then the
   * next renewal shows the grant again, and they keep their order. Or a reply has come since the last listing, and it no longer has the grant.
   */
  becomeHolder(own: OwnTicket): boolean {
    if (own.isStolen || (own.state === 'granted' && own.isAlive)) return true
    this.#askAgain(own)
    return false
  }

  #askAgain(own: OwnTicket): void {
    own.waitAgain()
    this.look()
  }

  /** Called before a release or a downgrade. */
  isHolder(own: OwnTicket): boolean {
    return own.seemsHeld()
  }

  isHeld(own: OwnTicket): boolean {
    return own.checkHeld()
  }

  setHasWaiters(): boolean {
    return true
  }

  granted(own: OwnTicket): GrantFacts {
    own.becomeHeld()
    this.#joinOrder.leave(own.request)
    // To be notified of a theft. Without the subscription, the next renewal shows it.
    if (this.#parts.connection.hearsSince === 0) this.#parts.connection.subscribe().catch(() => undefined)
    // RACE: the lock was stolen between its turn and this line. The owner is notified as soon as it knows that it holds.
    if (own.isStolen) queueMicrotask(() => own.notifyStolen())
    return own.facts!
  }

  async downgrade(own: OwnTicket): Promise<void> {
    const isOver = (): boolean => !own.seemsHeld()
    const reply = await this.#parts.connection.ask(DOWNGRADE, this.#name, [this.#prefix, own.id], { isOver })
    if (reply !== undefined) own.onHoldersReply(reply[0]!)
  }

  /** Never called: see ticketPerRequest. */
  isLast(): boolean {
    return false
  }

  async isWanted(): Promise<boolean> {
    return (await this.#renew()) > 0
  }

  withdraw(own: OwnTicket): Promise<void> {
    this.#joinOrder.leave(own.request)
    return this.#remove(own)
  }

  #remove(own: OwnTicket): Promise<void> {
    own.leaving ??= this.#leave(own)
    return own.leaving
  }

  /** Renews, in the background, and so finds out the state of all tickets. */
  look(): void {
    const { connection } = this.#parts
    // If it failed before, it is tried again each time.
    if (connection.hearsSince === 0) connection.subscribe().catch(() => undefined)
    this.#renew().catch((error: unknown) => {
      for (const own of this.#tickets) own.fail(error)
    })
  }

  /** Renews, and resolves when the state of all tickets is known. The process stays alive until then. */
  async renew(): Promise<void> {
    const stopKeepAlive = keepAlive()
    try {
      await this.#renew()
    } finally {
      stopKeepAlive()
    }
  }

  get #ttlMs(): number {
    return this.#parts.lease.ttlMs
  }

  /** As the scripts take it. */
  #formatLease(ttlMs: number): string {
    return this.#parts.lease.grows === true ? `>${ttlMs}` : String(ttlMs)
  }

  async #untilWoken(own: OwnTicket, woken: Promise<void>): Promise<void> {
    const { connection } = this.#parts
    if (connection.hearsSince === 0) await connection.subscribe()
    // A look finds what was published after the ticket had joined, and before the connection for notifications was there.
    if (own.hearsSince !== connection.hearsSince) {
      own.hearsSince = connection.hearsSince
      this.look()
    }
    await woken
  }

  /** Waits until enough replicas have the grant, or its request is cancelled. */
  async #confirm(own: OwnTicket): Promise<readonly Ticket[]> {
    const { cancellation } = own.request
    let onCancelled: (() => void) | undefined
    const cancelled = new Promise<void>((resolve) => (onCancelled = resolve))
    cancellation.listen(onCancelled!)
    try {
      // Bound: each round but the first finds that the lock was granted anew meanwhile.
      while (!cancellation.cancelled && own.state === 'granted' && own.confirmed !== own.facts) {
        await Promise.race([this.#countReplicas(own), cancelled])
      }
    } finally {
      cancellation.stopListening(onCancelled!)
    }
    if (own.state === 'gone' && !own.isStolen) return []
    return own.facts === undefined ? [aheadOf(own), toTicket(own)] : [toTicket(own)]
  }

  async #countReplicas(own: OwnTicket): Promise<void> {
    const { connection, settings } = this.#parts
    const { facts } = own
    const isOver = (): boolean => own.request.cancellation.cancelled || !own.seemsAlive
    const count = await connection.countReplicas(this.#name, [this.#prefix, own.id], settings.replicas, { isOver })
    if (count === undefined) return this.#askAgain(own)
    if (count < settings.replicas) {
      const message = `the lock '${this.#name}' is not safe: ${count} replicas have it, and options.replicas asks for ${settings.replicas}`
      throw new SlocketError('ERR_SLOCKET_RESOURCES', message)
    }
    // RACE: another server may have taken over meanwhile, one without this grant. Then the replicas were those of that server.
    await this.renew()
    own.confirmed = facts
  }

  async #leave(own: OwnTicket): Promise<void> {
    // It was lost: see 3.
    const isLost = own.hasHeld && !own.isHeld
    if (isLost) await sleep(marginMs(this.#ttlMs), { ref: false })
    // Its lease may be over, or the server may have it for a moment longer. Nobody need wait for that.
    if (isLost || !own.seemsAlive) return this.#abandon(own)
    const args = this.#argsOfLeave(own)
    own.becomeGone()
    try {
      // Once its lease may be over, the server removes it by itself.
      await this.#parts.connection.ask(LEAVE, this.#name, args, { isOver: () => !own.seemsAlive })
    } finally {
      this.#forget(own)
    }
  }

  #argsOfLeave(own: OwnTicket): readonly string[] {
    return [this.#prefix, own.id, own.isHeld ? '1' : own.hasHeld ? 'lost' : '0']
  }

  /** Removes a ticket, whether the server has it or not. */
  #abandon(own: OwnTicket): void {
    const args = this.#argsOfLeave(own)
    own.becomeGone()
    const leaving = this.#parts.connection.ask(LEAVE, this.#name, args, { isBackground: true })
    leaving
      .catch((error: unknown) => debug('redis: ticket %s could not be removed: %s', own.id, error))
      .finally(() => this.#forget(own))
  }

  #add(own: OwnTicket): void {
    this.#tickets.add(own)
    this.#parts.own.set(own.id, { ticket: own, queue: this })
    this.#parts.connection.use()
  }

  #forget(own: OwnTicket): void {
    if (!this.#tickets.delete(own)) return
    this.#parts.own.delete(own.id)
    this.#parts.connection.unuse(own.request.lingerMs)
    if (this.#tickets.size === 0) this.#stopTimer()
  }

  /** How long until the next renewal, in ms. */
  #untilRenewalMs(nextExpiryMs: number): number {
    const isWaiting = [...this.#tickets].some(({ state }) => state === 'waiting')
    const renewalMs = Math.min(this.#ttlMs / RENEWALS_PER_TTL, LONGEST_RENEWAL_MS)
    return isWaiting && nextExpiryMs >= 0 ? Math.min(renewalMs, nextExpiryMs + ROUNDING_MS) : renewalMs
  }

  /** A renewal that is due earlier stays so: requests that keep joining must not put it off, since only its reply says that the locks last longer. */
  #renewIn(delayMs: number): void {
    const dueMs = monotonicNowMs() + delayMs
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return
    this.#stopTimer()
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.look()
    }, delayMs).unref()
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Returns how many requests wait. One renewal at a time: a call made meanwhile gets the answer of a renewal that begins later. */
  #renew(): Promise<number> {
    if (this.#renewing !== undefined) {
      this.#isRenewedAgain = true
      return this.#renewing
    }
    const renewing = this.#renewRepeatedly().finally(() => (this.#renewing = undefined))
    this.#renewing = renewing
    return renewing
  }

  async #renewRepeatedly(): Promise<number> {
    let waiting: number
    // Bound: one round more for each look that was asked for.
    do {
      this.#isRenewedAgain = false
      waiting = await this.#renewOnce()
    } while (this.#isRenewedAgain)
    return waiting
  }

  async #renewOnce(): Promise<number> {
    const tickets = [...this.#tickets].filter((own) => own.hasJoined && (!own.isHeld || own.checkHeld()))
    const known = tickets.map(({ facts }) => facts)
    const others = [...this.#tickets].filter((own) => !own.hasJoined)
    const ttlMs = this.#ttlMs
    let nextExpiryMs = -1
    // Without a reply, the timer stays: a ticket that joined meanwhile may have set it.
    let isAnswered = false
    try {
      if (tickets.length === 0) return 0
      let sent: Reading | undefined
      const reply = await this.#parts.connection.ask(
        RENEW,
        this.#name,
        [this.#prefix, this.#formatLease(ttlMs), this.#parts.nextId(), ...[...tickets, ...others].map(({ id }) => id)],
        {
          isBackground: true,
          isOver: () => tickets.every(({ state }) => state === 'gone'),
          onSend: () => (sent = readClocks()),
        },
      )
      if (reply === undefined || sent === undefined) return 0
      const [nextExpiry, waiting, ...states] = reply
      nextExpiryMs = Number(nextExpiry)
      isAnswered = true
      for (const [index, own] of tickets.entries()) own.onReply(states[index]!, sent, ttlMs, known[index])
      return Number(waiting)
    } finally {
      if (isAnswered) this.#stopTimer()
      if (this.#tickets.size > 0) this.#renewIn(this.#untilRenewalMs(nextExpiryMs))
    }
  }
}

function toTicket({ id, claim }: OwnTicket): Ticket {
  return { id, claim, live: true, joining: false }
}

function mismatch(request: EnqueueRequest, other: string): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_CLAIM_MISMATCH',
    `the request asks for ${describeClaim(request.claim)}, but others for this lock ask for ${describeClaim(parseClaim(other))}: ` +
      'permits do not mix with exclusive and shared claims; use the same kind everywhere, or another lock',
  )
}
