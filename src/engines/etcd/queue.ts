/**
 * The queue of one resource: keys in the order in which they were created, each under the lease of its owner's session.
 *
 *  1. A listing of the queue is one linearizable read, or the transaction that joined: all clients agree on what it shows.
 *  2. A ticket holds when a listing that shows it says that it is its turn, its session's lease is sure to last when that listing has come, and nothing
 *     has shown that it is gone. No other client looks at the deadline: the server deletes what a lease kept.
 *  3. The token is the revision of that listing. A request that is granted after a holder has left sees a later revision.
 *  4. A listing shows all thieves, and as many of the earlier tickets as can matter: see listing.ts.
 */
import type { Cancellation } from '../../requests/cancellation.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../requests/ticket-queue.ts'
import { debug } from '../../debug.ts'
import { isSlocketError } from '../../errors.ts'
import { JoinOrder } from '../join-order.ts'
import { keepAlive } from '../keep-alive.ts'
import type { EtcdClient } from './client.ts'
import { downgrade } from './downgrade.ts'
import { ticketId, ticketKey } from './keys.ts'
import type { ListedTicket } from './keys.ts'
import type { TxnResponse } from './protocol.ts'
import { CREATE_REVISION, IS_EQUAL } from './protocol.ts'
import type { QueueParts } from './parts.ts'
import { meaningOf } from './refusal.ts'
import type { Session } from './session.ts'
import { joinAndSteal } from './steal.ts'
import { OwnTicket } from './ticket.ts'
import { formatValue } from '../ticket-value.ts'
import { listingFor, readListing } from './listing.ts'
import { changeAmong } from './wait.ts'
import { isWanted } from './wanted.ts'
import { setTimeout, clearTimeout, queueMicrotask, monotonicNowMs } from '../../real-time.ts'

/** A holder that has held for less time than this is shown to others with the time of its request. */
const SHORT_HOLD_MS = 100
/** How long a cancelled request keeps the process alive at most, to delete its ticket. */
const CANCEL_MS = 1000

export class EtcdQueue implements TicketQueue<OwnTicket, ListedTicket>, Stealing<OwnTicket> {
  readonly ticketPerRequest = true
  readonly stealing: Stealing<OwnTicket> = this
  readonly #parts: QueueParts
  /** The prefix of the keys of the queue. */
  readonly #prefix: string
  readonly #joinOrder = new JoinOrder()

  constructor(parts: QueueParts, prefix: string) {
    this.#parts = parts
    this.#prefix = prefix
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
      own = await this.#joinInTurn(request)
      return own
    } catch (error) {
      if (isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) this.#joinOrder.fail(error)
      throw error
    } finally {
      if (own === null) this.#joinOrder.leave(request)
    }
  }

  async #joinInTurn(request: EnqueueRequest): Promise<OwnTicket | null> {
    const { cancellation } = request
    const sinceMs = monotonicNowMs()
    // Bound: each round except the last is another session that was lost.
    for (;;) {
      await this.#joinOrder.next(request)
      if (cancellation.cancelled) return null
      const current = this.#parts.sessions.current(cancellation, sinceMs)
      const session = current instanceof Promise ? await current : current
      if (session === undefined || cancellation.cancelled) return null
      // RACE: if a session was lost meanwhile, the tickets of older requests are lost with it.
      if (!session.seemsAlive() || !this.#joinOrder.isNext(request)) continue
      const own = new OwnTicket(this.#newKey(request, session), request, session)
      session.add(own)
      this.#parts.own.add(own)
      try {
        const isJoined = await (request.steal ? joinAndSteal(this.#parts, this.#prefix, own) : this.#join(own))
        if (isJoined) {
          this.#joinOrder.stand(own)
          return own
        }
      } catch (error) {
        if (meaningOf(error) !== 'no lease') {
          this.#abandon(own)
          throw error
        }
        session.lose('its lease in etcd was revoked, or has run out')
      }
      this.#abandon(own)
    }
  }

  list(own: OwnTicket): readonly ListedTicket[] | Promise<readonly ListedTicket[]> {
    const { joinListing } = own
    if (joinListing === undefined) return this.#list(own)
    own.joinListing = undefined
    return joinListing
  }

  async anyChange(own: OwnTicket, among: readonly ListedTicket[], cancellation: Cancellation): Promise<void> {
    own.hasWaited = true
    await changeAmong(this.#parts, own, among, cancellation)
  }

  /** A lease may run out while the answer is on its way; the session knows. */
  becomeHolder(own: OwnTicket): boolean {
    if (!own.session.isAlive()) return false
    // A thief whose lock was stolen in turn has held. It is notified once it knows that it held.
    return own.loss === undefined || own.request.steal
  }

  isHolder(own: OwnTicket): boolean {
    if (own.isHeld) own.session.isAlive()
    return own.isHeld
  }

  setHasWaiters(): boolean {
    return true
  }

  granted(own: OwnTicket): GrantFacts {
    own.isHeld = true
    own.stopWatching()
    this.#joinOrder.leave(own.request)
    // RACE: it was lost between its turn and this line. It is notified as soon as it knows that it holds.
    if (own.loss !== undefined) queueMicrotask(() => own.notifyLost(true))
    if (own.hasWaited) own.sinceTimer = setTimeout(() => this.#publishSince(own), SHORT_HOLD_MS).unref()
    return { token: own.seenRevision, recovered: false }
  }

  async downgrade(own: OwnTicket): Promise<void> {
    await downgrade(this.#parts, this.#prefix, own)
  }

  /** Never called: see ticketPerRequest. */
  isLast(): boolean {
    return false
  }

  async isWanted(own: OwnTicket): Promise<boolean> {
    return await isWanted(this.#parts.client, this.#prefix, own)
  }

  withdraw(own: OwnTicket): Promise<void> {
    this.#joinOrder.leave(own.request)
    return this.#remove(own)
  }

  #remove(own: OwnTicket): Promise<void> {
    own.leaving ??= this.#leave(own)
    return own.leaving
  }

  async #leave(own: OwnTicket): Promise<void> {
    own.isOver = true
    own.isHeld = false
    clearTimeout(own.sinceTimer)
    own.stopWatching()
    const stopKeepAlive = keepAlive()
    // A cancelled request has rejected already: it does not keep the process alive for a server that no longer answers.
    if (own.request.cancellation.cancelled) setTimeout(stopKeepAlive, CANCEL_MS).unref()
    try {
      // Once the session's lease may be over, this isn't needed: the server deletes the key.
      const isOver = (): boolean => !own.session.seemsAlive()
      await deleteKeys(this.#parts.client, own.keys, isOver)
    } finally {
      stopKeepAlive()
      own.session.forget(own)
      this.#parts.own.delete(own)
    }
  }

  /** Deletes the key, whether it was written or not. */
  #abandon(own: OwnTicket): void {
    this.#remove(own).catch((error: unknown) => debug('etcd: ticket %s could not be deleted: %s', own.key, error))
  }

  #newKey({ claim, steal }: EnqueueRequest, session: Session): string {
    return ticketKey(this.#prefix, claim, steal, session.name, this.#parts.nextNumber())
  }

  /** Writes the key. It may be sent twice: the second time it finds the key. Resolves with false if it was no longer needed before that. */
  async #join(own: OwnTicket): Promise<boolean> {
    const value = formatValue(this.#parts.identity, own)
    const answer = await this.#parts.client.ask(
      'Txn',
      {
        compare: [{ key: own.key, target: CREATE_REVISION, result: IS_EQUAL, createRevision: '0' }],
        success: [{ put: { key: own.key, lease: own.session.lease, value } }, ...listingFor(this.#prefix, own)],
        failure: [{ range: { key: own.key, keysOnly: true } }],
      },
      {
        isOver: () => own.request.cancellation.cancelled || !own.session.seemsAlive(),
        onSend: () => void (own.unanswered += 1),
      },
    )
    if (answer === undefined) return false
    own.unanswered -= 1
    if (answer.succeeded === true) {
      own.createRevision = BigInt(answer.header.revision)
      own.joinListing = this.#read(own, answer)
      return true
    }
    const found = answer.responses?.[0]?.range?.kvs?.[0]
    if (found === undefined) return false
    own.createRevision = BigInt(found.createRevision)
    return true
  }

  /** Resolves with an empty list if its session is over: then its ticket is gone, too. */
  async #list(own: OwnTicket): Promise<readonly ListedTicket[]> {
    const { cancellation } = own.request
    const isOver = (): boolean => cancellation.cancelled || !own.session.seemsAlive()
    if (own.createRevision === undefined || isOver()) return []
    own.isWoken = false
    // Bound: the second listing is not limited.
    for (;;) {
      const answer = await this.#parts.client.ask('Txn', { success: listingFor(this.#prefix, own) }, { isOver })
      if (answer === undefined) return []
      const listing = this.#read(own, answer)
      if (listing !== undefined) return listing
    }
  }

  /** Undefined if a limited listing shows less than it should: then the next one isn't limited. */
  #read(own: OwnTicket, { header, responses = [] }: TxnResponse): readonly ListedTicket[] | undefined {
    own.seenRevision = BigInt(header.revision)
    const { tickets, isClean } = readListing(
      this.#prefix,
      responses.flatMap(({ range }) => range?.kvs ?? []),
    )
    if (isClean || own.seesAll) return tickets
    own.seesAll = true
    return undefined
  }

  /** Shows to other clients since when it holds. */
  #publishSince(own: OwnTicket): void {
    const { key, createRevision } = own
    if (!own.isHeld || createRevision === undefined || !own.session.isAlive()) return
    const value = formatValue(this.#parts.identity, own)
    const txn = {
      compare: [{ key, target: CREATE_REVISION, result: IS_EQUAL, createRevision: String(createRevision) }],
      success: [{ put: { key, lease: own.session.lease, value } }],
    }
    const isOver = (): boolean => !own.isHeld
    this.#parts.client
      .ask('Txn', txn, { isOver, isBackground: true })
      .catch((error: unknown) => debug('etcd: ticket %s: since: %s', ticketId(key, createRevision), error))
  }
}

/** Deletes one key, or several in one transaction. */
async function deleteKeys(client: EtcdClient, keys: readonly string[], isOver: () => boolean): Promise<void> {
  if (keys.length === 1) await client.ask('DeleteRange', { key: keys[0]! }, { isOver, isBackground: true })
  else await client.ask('Txn', { success: keys.map((key) => ({ delete: { key } })) }, { isOver, isBackground: true })
}
