/**
 * Renews the tickets of one client in one queue. They have one lease: one script renews it, three times in a lease and every ten seconds at least, and also looks
 * at the tickets. If one of them waits, it looks, too, when the first lease in the queue runs out. So a lost notification costs a third of a lease, or ten
 * seconds, and a crashed holder exactly its lease.
 */
import { setTimeout, clearTimeout, monotonicNowMs } from '../../real-time.ts'
import type { Reading } from '../deadline.ts'
import { readClocks } from '../deadline.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Connection } from './connection.ts'
import { channelPrefix } from './names.ts'
import type { Settings } from './options.ts'
import { RENEW } from './scripts.ts'
import type { OwnTicket } from './ticket.ts'

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

/** As the scripts take it. */
export function formatLease({ ttlMs, grows }: Lease): string {
  return grows === true ? `>${ttlMs}` : String(ttlMs)
}

export interface RenewalParts {
  readonly settings: Settings
  /** Read at each call: it may change. */
  readonly lease: Lease
  readonly connection: Connection
  /** An id whose number is larger than those of all earlier ones of this client. */
  readonly nextId: () => string
}

export class Renewals {
  readonly #parts: RenewalParts
  readonly #name: string
  readonly #tickets: ReadonlySet<OwnTicket>
  /** For the next renewal. */
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0
  #renewing: Promise<number> | undefined
  /** A look was asked for that the renewal under way may come too early for. */
  #isRenewedAgain = false

  /** @param tickets the tickets that the server may have. */
  constructor(parts: RenewalParts, name: string, tickets: ReadonlySet<OwnTicket>) {
    this.#parts = parts
    this.#name = name
    this.#tickets = tickets
  }

  /** Renews, in the background, and so finds out the state of all tickets. */
  look(): void {
    const { connection } = this.#parts
    // If it failed before, it is tried again each time.
    if (connection.hearsSince === 0) connection.subscribe().catch(() => undefined)
    this.countWaiting().catch((error: unknown) => {
      for (const own of this.#tickets) own.fail(error)
    })
  }

  /** Renews, and resolves when the state of all tickets is known. The process stays alive until then. @throws as `Connection.ask`. */
  async renew(): Promise<void> {
    const stopKeepAlive = keepAlive()
    try {
      await this.countWaiting()
    } finally {
      stopKeepAlive()
    }
  }

  /**
   * Renews, and returns how many requests wait in the queue. One renewal at a time: a call made meanwhile gets the answer of a renewal that begins later.
   *
   * @throws as `Connection.ask`.
   */
  countWaiting(): Promise<number> {
    if (this.#renewing !== undefined) {
      this.#isRenewedAgain = true
      return this.#renewing
    }
    const renewing = this.#renewRepeatedly().finally(() => (this.#renewing = undefined))
    this.#renewing = renewing
    return renewing
  }

  /**
   * Sets the timer for the next renewal. If it is set to an earlier time, it stays: requests that keep joining must not put it off, since only its reply says
   * that the locks last longer.
   *
   * @param nextExpiryMs when the first lease in the queue runs out, in ms from now. Negative if none does.
   */
  plan(nextExpiryMs: number): void {
    const delayMs = this.#untilRenewalMs(nextExpiryMs)
    const dueMs = monotonicNowMs() + delayMs
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return
    this.stop()
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.look()
    }, delayMs).unref()
  }

  /** Cancels the next renewal. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #untilRenewalMs(nextExpiryMs: number): number {
    const isWaiting = [...this.#tickets].some(({ state }) => state === 'waiting')
    const renewalMs = Math.min(this.#parts.lease.ttlMs / RENEWALS_PER_TTL, LONGEST_RENEWAL_MS)
    return isWaiting && nextExpiryMs >= 0 ? Math.min(renewalMs, nextExpiryMs + ROUNDING_MS) : renewalMs
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
    const { connection, lease, nextId, settings } = this.#parts
    const tickets = [...this.#tickets].filter((own) => own.hasJoined && (!own.isHeld || own.checkHeld()))
    const known = tickets.map(({ facts }) => facts)
    const others = [...this.#tickets].filter((own) => !own.hasJoined)
    const { ttlMs } = lease
    let nextExpiryMs = -1
    // Without a reply, the timer stays: a ticket that joined meanwhile may have set it.
    let isAnswered = false
    try {
      if (tickets.length === 0) return 0
      let sent: Reading | undefined
      const ids = [...tickets, ...others].map(({ id }) => id)
      const args = [channelPrefix(settings.namespace), formatLease(lease), nextId(), ...ids]
      const reply = await connection.ask(RENEW, this.#name, args, {
        isBackground: true,
        isOver: () => tickets.every(({ state }) => state === 'gone'),
        onSend: () => (sent = readClocks()),
      })
      if (reply === undefined || sent === undefined) return 0
      const [nextExpiry, waiting, ...states] = reply
      nextExpiryMs = Number(nextExpiry)
      isAnswered = true
      for (const [index, own] of tickets.entries()) own.onReply(states[index]!, sent, ttlMs, known[index])
      return Number(waiting)
    } finally {
      if (isAnswered) this.stop()
      if (this.#tickets.size > 0) this.plan(nextExpiryMs)
    }
  }
}
