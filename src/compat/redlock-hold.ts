/**
 * The locks of slocket that are held for a lock of `slocket/redlock`.
 *
 *  state    | meaning                                | what ends it
 *  ---------+----------------------------------------+------------------------------------------------
 *  held     | the locks are held, if not lost        | release; its time is over
 *  released | the caller has released them           | -
 *  expired  | its time was over: they are released   | -
 */
import type { LockSet } from '../calls/lock-set.ts'
import { debug } from '../debug.ts'
import { SlocketError } from '../errors.ts'
import { clearTimeout, monotonicNowMs, setTimeout } from '../real-time.ts'
import { ttlMsOf } from './redlock-settings.ts'

/** The longest delay of a timer, in ms. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The lease of its engine. */
export interface ChangingLease {
  ttlMs: number
}

export interface Held {
  readonly resources: readonly string[]
  readonly set: LockSet
  readonly lease: ChangingLease
  /** See `LeasedEngine.renew`. */
  readonly renew: () => Promise<void>
}

export class Hold {
  readonly #held: Held
  #state: 'held' | 'released' | 'expired' = 'held'
  #endMs = Infinity
  #timer: NodeJS.Timeout | undefined

  constructor(held: Held) {
    this.#held = held
  }

  get resources(): readonly string[] {
    return this.#held.resources
  }

  get set(): LockSet {
    return this.#held.set
  }

  /** Whether its time ends by itself. */
  get expires(): boolean {
    return this.#endMs !== Infinity
  }

  /** From now on, it ends after this time. */
  expireAfter(durationMs: number, sinceMs: number = monotonicNowMs()): void {
    this.#endMs = sinceMs + durationMs
    this.#arm()
  }

  /** @throws ERR_SLOCKET_LOST if it is no longer held. */
  check(): void {
    if (this.#state === 'held' && monotonicNowMs() >= this.#endMs) this.#expire()
    if (this.#state === 'expired') throw this.#lost('its duration was over')
    if (this.#state === 'released') throw this.#lost('it was released')
    this.set.assertHeld()
  }

  /** @throws ERR_SLOCKET_LOST if it is no longer held; as `LeasedEngine.renew`. */
  async extend(durationMs: number): Promise<void> {
    this.check()
    const { lease, renew } = this.#held
    const sinceMs = monotonicNowMs()
    // RACE: its time may be over before the answer is here. It is held until the server says otherwise, so it may be extended even then.
    clearTimeout(this.#timer)
    // The lease is never made shorter. RACE: the server may shorten it, and the answer may get lost: then the lock would be free there while the old lease still counts here.
    lease.ttlMs = Math.max(lease.ttlMs, ttlMsOf(durationMs))
    try {
      await renew()
      this.set.assertHeld()
      // RACE: released meanwhile.
      if (this.#state !== 'held') throw this.#lost('it was released')
      if (this.expires) this.#endMs = sinceMs + durationMs
    } finally {
      this.#arm()
    }
  }

  /** @throws ERR_SLOCKET_LOST if it is no longer held. */
  async release(): Promise<void> {
    this.check()
    this.#state = 'released'
    clearTimeout(this.#timer)
    await this.set.release()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    if (this.#state !== 'held' || !this.expires) return
    const leftMs = this.#endMs - monotonicNowMs()
    if (leftMs <= 0) return this.#expire()
    this.#timer = setTimeout(() => this.#arm(), Math.min(LONGEST_DELAY_MS, leftMs)).unref()
  }

  #expire(): void {
    this.#state = 'expired'
    clearTimeout(this.#timer)
    this.set.release().catch((error: unknown) => debug('redlock: %s', error))
  }

  #lost(reason: string): SlocketError {
    return new SlocketError('ERR_SLOCKET_LOST', `the lock of '${this.resources.join("', '")}' is not held: ${reason}`)
  }
}
