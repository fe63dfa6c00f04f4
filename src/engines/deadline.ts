/**
 * How long a lease is sure to last, by the clocks of this process alone.
 *
 *  1. It counts from the moment *before* the request that renewed the lease was sent: the server cannot have renewed it earlier.
 *  2. A margin is left, in which the holder can stop before the server grants the lock to another client.
 *  3. Two clocks are read, and the one by which more time has passed counts: CLOCK_MONOTONIC (process.hrtime), and the machine's uptime, which
 *     goes on while the machine is suspended. The wall clock is never used.
 */
import os from 'node:os'
import { monotonicNowMs } from '../real-time.ts'

/** What the two clocks show, in ms. */
export interface Reading {
  readonly monotonicMs: number
  readonly uptimeMs: number
}

const LEAST_MARGIN_MS = 500
const MARGIN = 0.1

/** Costs a system call: Node reads the uptime from a file, /proc/uptime. */
export function readClocks(): Reading {
  return { monotonicMs: monotonicNowMs(), uptimeMs: os.uptime() * 1000 }
}

export function elapsedMs(since: Reading, now: Reading): number {
  return Math.max(now.monotonicMs - since.monotonicMs, now.uptimeMs - since.uptimeMs)
}

export class Deadline {
  #sent: Reading
  #lastsMs: number

  /** @param sent the clocks before the request was sent by which the server gave, or renewed, the lease. */
  constructor(sent: Reading, ttlMs: number) {
    this.#sent = sent
    this.#lastsMs = lastsMs(ttlMs)
  }

  /** The lease was renewed. Must be called only while it has not run out: a lease that has run out stays lost. */
  renew(sent: Reading, ttlMs: number): void {
    this.#sent = sent
    this.#lastsMs = lastsMs(ttlMs)
  }

  /** Whether the lease still lasts by the clock that is read without a system call. After the machine was suspended, this may be wrong, so a holder must not rely on it. */
  seemsToLast(): boolean {
    return this.seemsToLastMs() > 0
  }

  /** As `remainingMs`, by that clock alone: for a timer. */
  seemsToLastMs(): number {
    return this.#lastsMs - (monotonicNowMs() - this.#sent.monotonicMs)
  }

  /** How long it is sure to last from `now` on; 0 or less: it may be over. */
  remainingMs(now: Reading = readClocks()): number {
    return this.#lastsMs - elapsedMs(this.#sent, now)
  }
}

/** How long before the end of a lease its holder counts it as lost. */
export function marginMs(ttlMs: number): number {
  return Math.max(LEAST_MARGIN_MS, ttlMs * MARGIN)
}

function lastsMs(ttlMs: number): number {
  return ttlMs - marginMs(ttlMs)
}
