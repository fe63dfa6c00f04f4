/**
 * The queue of one lock, as one client sees it. The server decides whose turn it is (scripts.ts), and notifies the owners of tickets. Tickets that stand are
 * renewed (renewals.ts).
 *
 *  1. A ticket holds if the server has said so, and its lease is sure to last by the clocks of this process: see deadline.ts.
 *  2. A held ticket that is lost stays on the server for a moment, since the holder may still be about to stop. Then it is removed: the server may have it for
 *     a whole lease longer, by a renewal whose reply didn't come, or as a waiter if another server has taken over without its grant.
 */
import { describeClaim } from '../../core/claim.ts'
import type { Ticket } from '../../core/ticket.ts'
import { isSlocketError, SlocketError } from '../../errors.ts'
import { debug } from '../../debug.ts'
import { queueMicrotask, sleep } from '../../real-time.ts'
import type { Cancellation } from '../../requests/cancellation.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../requests/ticket-queue.ts'
import type { Reading } from '../deadline.ts'
import { marginMs, readClocks } from '../deadline.ts'
import { JoinOrder } from '../join-order.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Identity } from '../ticket-value.ts'
import { formatValue } from '../ticket-value.ts'
import { channelPrefix, formatClaim, parseClaim } from './names.ts'
import type { RenewalParts } from './renewals.ts'
import { formatLease, Renewals } from './renewals.ts'
import { waitForReplicas } from './replicas.ts'
import { DOWNGRADE, JOIN, LEAVE } from './scripts.ts'
import { aheadOf, OwnTicket } from './ticket.ts'

/** What the queues of one engine share. */
export interface QueueParts extends RenewalParts {
  readonly identity: Identity
  /** The tickets that the server may have, and what renews them. */
  readonly own: Map<string, { readonly ticket: OwnTicket; readonly renewals: Renewals }>
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
  readonly #renewals: Renewals

  constructor(parts: QueueParts, name: string) {
    this.#parts = parts
    this.#name = name
    this.#prefix = channelPrefix(parts.settings.namespace)
    this.#renewals = new Renewals(parts, name, this.#tickets)
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
    const { connection, identity, lease, nextId } = this.#parts
    const own = new OwnTicket(nextId(), this.#name, request)
    // The lease of this call: the setting may have changed by the time of the reply.
    const { ttlMs } = lease
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
    const args = [this.#prefix, own.id, formatLease(lease), mode, formatClaim(claim), value, older?.id ?? '']
    this.#add(own)
    try {
      const reply = await connection.ask(JOIN, this.#name, args, { isOver: () => cancellation.cancelled, onSend })
      const [state = '', nextExpiry = '-1'] = reply ?? []
      if (state.startsWith('mismatch')) throw mismatch(request, state.slice('mismatch '.length))
      if (state === 'refused' || state === 'too early') {
        this.#forget(own)
        if (state === 'refused') return null
        await this.#renewals.renew()
        return 'too early'
      }
      if (reply !== undefined && sent !== undefined) own.onReply(state, sent, ttlMs)
      if (!own.hasJoined) {
        this.#abandon(own)
        return null
      }
      this.#renewals.plan(Number(nextExpiry))
      return own
    } catch (error) {
      this.#abandon(own)
      throw error
    }
  }

  list(own: OwnTicket): readonly Ticket[] | Promise<readonly Ticket[]> {
    const isConfirmed = this.#parts.settings.replicas === 0 || own.confirmed === own.facts
    if (own.state !== 'granted' || isConfirmed) return listAsKnown(own)
    return waitForReplicas(own, this.#parts, this.#renewals).then(() => listAsKnown(own))
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
    own.waitAgain()
    this.#renewals.look()
    return false
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
    return (await this.#renewals.countWaiting()) > 0
  }

  withdraw(own: OwnTicket): Promise<void> {
    this.#joinOrder.leave(own.request)
    return this.#remove(own)
  }

  #remove(own: OwnTicket): Promise<void> {
    own.leaving ??= this.#leave(own)
    return own.leaving
  }

  async #untilWoken(own: OwnTicket, woken: Promise<void>): Promise<void> {
    const { connection } = this.#parts
    if (connection.hearsSince === 0) await connection.subscribe()
    // A look finds what was published after the ticket had joined, and before the connection for notifications was there.
    if (own.hearsSince !== connection.hearsSince) {
      own.hearsSince = connection.hearsSince
      this.#renewals.look()
    }
    await woken
  }

  async #leave(own: OwnTicket): Promise<void> {
    // It was lost: see 2.
    const isLost = own.hasHeld && !own.isHeld
    if (isLost) await sleep(marginMs(this.#parts.lease.ttlMs), { ref: false })
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
    this.#parts.own.set(own.id, { ticket: own, renewals: this.#renewals })
    this.#parts.connection.use()
  }

  #forget(own: OwnTicket): void {
    if (!this.#tickets.delete(own)) return
    this.#parts.own.delete(own.id)
    this.#parts.connection.unuse(own.request.lingerMs)
    if (this.#tickets.size === 0) this.#renewals.stop()
  }
}

/** What stands in front of it, and itself. Empty if it is gone. */
function listAsKnown(own: OwnTicket): readonly Ticket[] {
  // If its lock was stolen before the grant was known here, it has held nevertheless.
  if (own.state === 'gone' && !own.isStolen) return []
  return own.facts === undefined ? [aheadOf(own), toTicket(own)] : [toTicket(own)]
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
