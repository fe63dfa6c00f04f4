/**
 * A session: one lease, and the tickets of this process that live by it.
 *
 *  state | meaning                                   | what ends it
 *  ------+-------------------------------------------+---------------------------------------------------------------
 *  open  | its lease is sure to last                 | its deadline; the server says that the lease, or the session's key, is gone;
 *        |                                           | nobody uses it for a while
 *  lost  | its lease may be over: so are its tickets | -
 *  ended | nobody used it; its lease was revoked     | -
 *
 *  1. `isAlive` checks the deadline on each call: a process that was stopped finds out before its timers have run. A holder, or a request that is
 *     about to hold, calls that; `seemsAlive` does not know of a suspended machine.
 *  2. A session that is not open never is again.
 *  3. A lease that was lost isn't revoked but runs out: the margin before that is for the holders.
 */
import { debug } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import type { EtcdClient } from './client.ts'
import { Deadline, readClocks } from '../deadline.ts'
import type { Reading } from '../deadline.ts'
import { formatLease, resourceOf, sessionKey } from './keys.ts'
import type { TxnResponse } from './protocol.ts'
import { meaningOf } from './refusal.ts'
import type { OwnTicket, TicketSession } from './ticket.ts'
import { stolenOrRemoved } from './ticket.ts'
import type { WatchStream } from './watch-stream.ts'
import { setTimeout, clearTimeout, monotonicNowMs } from '../../real-time.ts'

const RENEWALS_PER_TTL = 3
/** Renewals also find out whether the connection is alive. */
const LONGEST_RENEWAL_MS = 10_000
/** The pause after a renewal that failed. */
const PAUSE_MS = 100
/** The pause after a ticket left whose key may be written late, by a request that got no answer. */
const ORPHANS_MS = 1000
/** How many tickets to ask for at once: each has two keys at most, and etcd allows 128 operations in one transaction. */
const MOST_AT_ONCE = 60

export interface SessionParts {
  readonly client: EtcdClient
  readonly watches: WatchStream
  readonly namespace: string
  readonly ttlSeconds: number
  readonly onOver: (session: Session) => void
}

export class Session implements TicketSession {
  /** In base 36. */
  readonly name: string
  readonly lease: string
  readonly ttlMs: number
  readonly #parts: SessionParts
  readonly #deadline: Deadline
  #state: 'open' | 'lost' | 'ended' = 'open'
  readonly #tickets = new Set<OwnTicket>()
  #deadlineTimer: NodeJS.Timeout | undefined
  #renewTimer: NodeJS.Timeout | undefined
  #lingerTimer: NodeJS.Timeout | undefined
  #orphansTimer: NodeJS.Timeout | undefined
  #lingerMs = 0
  #renewals = 0
  /** How many renewals in a row have failed. */
  #failures = 0
  #stopWatching: (() => void) | undefined

  private constructor(parts: SessionParts, lease: string, ttlMs: number, sent: Reading) {
    this.#parts = parts
    this.lease = lease
    this.name = formatLease(lease)
    this.ttlMs = ttlMs
    this.#deadline = new Deadline(sent, ttlMs)
    this.#armDeadline()
    this.#scheduleRenewal(this.#renewalMs)
  }

  /** @param sinceMs when the first request began to wait for it, by `monotonicNowMs`. @throws as `EtcdClient.ask`. */
  static async open(parts: SessionParts, sinceMs: number = monotonicNowMs()): Promise<Session> {
    const { client, ttlSeconds } = parts
    // Bound: the patience of the client, unless the server loses each lease at once.
    for (;;) {
      let sent = readClocks()
      const onSend = (): void => void (sent = readClocks())
      const granted = (await client.ask('LeaseGrant', { ttl: ttlSeconds }, { onSend, isBackground: true, sinceMs }))!
      const session = new Session(parts, granted.id, Number(granted.ttl) * 1000, sent)
      if (await session.#register()) return session
    }
  }

  get key(): string {
    return sessionKey(this.#parts.namespace, this.name)
  }

  get #renewalMs(): number {
    return Math.min(this.ttlMs / RENEWALS_PER_TTL, LONGEST_RENEWAL_MS)
  }

  /** Whether its lease is still sure to last. If not, all its holders have been notified when this returns. */
  isAlive(): boolean {
    if (this.#state !== 'open') return false
    if (this.#deadline.remainingMs() > 0) return true
    this.lose('its lease in etcd could not be renewed in time')
    return false
  }

  /**
   * As `isAlive`, but the machine may have been suspended meanwhile. It costs almost nothing, and is enough if nothing is granted by it: for work that need not
   * be tried once the lease is over, but does no harm then.
   */
  seemsAlive(): boolean {
    if (this.#state !== 'open') return false
    return this.#deadline.seemsToLast() || this.isAlive()
  }

  /** To be called before its key is written. */
  add(ticket: OwnTicket): void {
    clearTimeout(this.#lingerTimer)
    this.#tickets.add(ticket)
  }

  /** To be called when its key is gone, or no longer matters. */
  forget(ticket: OwnTicket): void {
    if (!this.#tickets.delete(ticket)) return
    this.#lingerMs = ticket.request.lingerMs
    if (this.#state !== 'open') return
    this.#deleteOrphansAfter(ticket)
    if (this.#tickets.size === 0) this.#linger()
  }

  /** See {@link TicketSession}. */
  replaceKey(ticket: OwnTicket, key: string, createRevision: bigint): void {
    ticket.key = key
    ticket.createRevision = createRevision
    ticket.isDowngraded = true
    this.#deleteOrphansAfter(ticket)
  }

  lose(reason: string): void {
    if (this.#state !== 'open') return
    debug('etcd: session %s is lost: %s', this.name, reason)
    this.#state = 'lost'
    this.#shutDown()
    const tickets = [...this.#tickets]
    this.#tickets.clear()
    for (const ticket of tickets) {
      const message = `the lock '${resourceOf(this.#parts.namespace, ticket.key)}' is lost: ${reason}`
      ticket.lose(new SlocketError('ERR_SLOCKET_LOST', message), false)
    }
  }

  /** Writes the session's key, and watches it. Resolves with false if the session was lost meanwhile. */
  async #register(): Promise<boolean> {
    const { client } = this.#parts
    try {
      const isOver = (): boolean => !this.isAlive()
      const written = await client.ask('Put', { key: this.key, lease: this.lease }, { isOver, isBackground: true })
      if (written === undefined) return false
      this.#watch()
      if (this.#tickets.size === 0) this.#linger()
      return true
    } catch (error) {
      this.lose('its key could not be written')
      if (meaningOf(error) === 'no lease') return false
      throw error
    }
  }

  #watch(): void {
    if (this.#state !== 'open') return
    this.#stopWatching = this.#parts.watches.watch(this.key, 'all', {
      // Something may have happened before the watch was created.
      onCreated: () => this.#checkSoon(),
      onEvent: (isDeleted) => {
        if (isDeleted) this.lose('its lease in etcd was revoked, or has run out')
        else this.#checkSoon()
      },
      onBroken: () => this.#watch(),
    })
  }

  #checkSoon(): void {
    this.#check().catch((error: unknown) => debug('etcd: session %s: look: %s', this.name, error))
  }

  /** Checks whether the session's key and the tickets still exist. */
  async #check(): Promise<void> {
    const tickets = [...this.#tickets].filter((ticket) => ticket.createRevision !== undefined && !ticket.isOver)
    let isClear = true
    for (let start = 0; start === 0 || start < tickets.length; start += MOST_AT_ONCE) {
      const looks = tickets.slice(start, start + MOST_AT_ONCE).map((ticket) => new Look(ticket))
      const keys = [this.key, ...looks.flatMap((look) => look.keys)]
      const success = keys.map((key) => ({ range: { key, keysOnly: true } }))
      const isOver = (): boolean => this.#state !== 'open'
      const answer = await this.#parts.client.ask('Txn', { success }, { isOver, isBackground: true })
      if (answer === undefined || this.#state !== 'open') return
      const found = revisionsIn(answer, keys)
      if (!found.has(this.key)) return this.lose('its key in etcd was removed')
      for (const look of looks.filter((each) => !each.hasFound(found))) {
        // RACE: its downgrade was asked for after this look, and carried out before it.
        if (look.isOld) isClear = false
        else look.ticket.lose(stolenOrRemoved(this.#parts.namespace, look.ticket.key), true)
      }
    }
    if (!isClear) this.#checkSoon()
  }

  /** Deletes keys of the lease that no ticket here has: a request that arrived long after its answer was given up writes a ticket again. */
  async #deleteOrphans(): Promise<void> {
    const { client } = this.#parts
    const asking = { isOver: (): boolean => this.#state !== 'open', isBackground: true }
    const { keys = [] } = (await client.ask('LeaseTimeToLive', { id: this.lease, keys: true }, asking)) ?? {}
    // The key of a request under way is among these: its ticket is known before the request is sent.
    const known = new Set([this.key, ...[...this.#tickets].flatMap((ticket) => ticket.keys)])
    for (const key of keys) {
      if (known.has(key)) continue
      debug('etcd: session %s: ticket %s is nobody’s', this.name, key)
      await client.ask('DeleteRange', { key }, asking)
    }
  }

  #scheduleRenewal(delayMs: number): void {
    this.#renewTimer = setTimeout(() => void this.#renew(), delayMs).unref()
  }

  async #renew(): Promise<void> {
    let sent = readClocks()
    let delayMs = PAUSE_MS
    try {
      const onSend = (): void => void (sent = readClocks())
      const answer = await this.#parts.client.callByStream('LeaseKeepAlive', { id: this.lease }, this.#failures, onSend)
      // Also if the answer has come too late.
      if (!this.isAlive()) return
      const ttlMs = Number((answer as { readonly ttl?: string }).ttl ?? 0) * 1000
      // etcd says 0, its grpc-proxy -1.
      if (ttlMs <= 0) return this.lose('its lease in etcd was revoked, or has run out')
      this.#deadline.renew(sent, ttlMs)
      delayMs = this.#renewalMs
      this.#failures = 0
      this.#renewals += 1
      if (this.#renewals % RENEWALS_PER_TTL === 0) {
        this.#checkSoon()
        this.#deleteOrphansNow()
      }
    } catch (error) {
      debug('etcd: session %s could not be renewed: %s', this.name, error)
      if (!this.isAlive()) return
      this.#failures += 1
    }
    this.#scheduleRenewal(delayMs)
  }

  /** A key of a ticket is gone, but a request that got no answer may write it late. */
  #deleteOrphansAfter({ unanswered }: OwnTicket): void {
    if (unanswered === 0 || this.#state !== 'open') return
    this.#orphansTimer ??= setTimeout(() => this.#deleteOrphansNow(), ORPHANS_MS).unref()
  }

  #deleteOrphansNow(): void {
    clearTimeout(this.#orphansTimer)
    this.#orphansTimer = undefined
    this.#deleteOrphans().catch((error: unknown) => debug('etcd: session %s: orphaned tickets: %s', this.name, error))
  }

  #armDeadline(): void {
    // It may fire early, if the lease was renewed meanwhile: then it is set again.
    this.#deadlineTimer = setTimeout(() => this.isAlive() && this.#armDeadline(), this.#deadline.remainingMs()).unref()
  }

  #linger(): void {
    clearTimeout(this.#lingerTimer)
    this.#lingerTimer = setTimeout(() => this.#end(), this.#lingerMs).unref()
  }

  #end(): void {
    if (this.#state !== 'open' || this.#tickets.size > 0) return
    this.#state = 'ended'
    this.#shutDown()
    this.#parts.client.ask('LeaseRevoke', { id: this.lease }, { isBackground: true }).then(
      () => debug('etcd: session %s has ended', this.name),
      (error: unknown) => debug('etcd: session %s: revoke: %s', this.name, error),
    )
  }

  #shutDown(): void {
    clearTimeout(this.#deadlineTimer)
    clearTimeout(this.#renewTimer)
    clearTimeout(this.#lingerTimer)
    clearTimeout(this.#orphansTimer)
    this.#stopWatching?.()
    this.#parts.onOver(this)
  }
}

/** A look whether a ticket still exists. */
class Look {
  readonly ticket: OwnTicket
  readonly keys: readonly string[]
  readonly #createRevision: bigint | undefined
  readonly #sharedKey: string | undefined

  constructor(ticket: OwnTicket) {
    this.ticket = ticket
    this.keys = ticket.keys
    this.#createRevision = ticket.createRevision
    this.#sharedKey = ticket.sharedKey
  }

  /** Whether the ticket may have got another key since. */
  get isOld(): boolean {
    return this.ticket.sharedKey !== this.#sharedKey
  }

  /** The second key is never written again once it is gone. */
  hasFound(found: ReadonlyMap<string, bigint>): boolean {
    const [key, sharedKey] = this.keys
    return found.get(key!) === this.#createRevision || (sharedKey !== undefined && found.has(sharedKey))
  }
}

/** Returns the create revisions of the keys that exist. There was one operation for each key. */
function revisionsIn({ responses = [] }: TxnResponse, keys: readonly string[]): Map<string, bigint> {
  const found = new Map<string, bigint>()
  for (const [index, key] of keys.entries()) {
    const revision = responses[index]?.range?.kvs?.[0]?.createRevision
    if (revision !== undefined) found.set(key, BigInt(revision))
  }
  return found
}
