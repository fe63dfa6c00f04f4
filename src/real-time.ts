/**
 * Captures clocks, timers and ticks as they were when slocket was loaded. Test frameworks replace the globals for a while, and what
 * is scheduled meanwhile may never run. A lock must not hang because of that. So everything here is captured once, and no
 * other file of the library reads these globals (the linter checks that).
 *
 * The timers come from `node:timers`, not from the globals: jest gives each test file globals of its own, which may be
 * fakes from the start.
 */
import timers from 'node:timers'

export const setTimeout: typeof timers.setTimeout = timers.setTimeout
export const clearTimeout: typeof timers.clearTimeout = timers.clearTimeout
export const setInterval: typeof timers.setInterval = timers.setInterval
export const clearInterval: typeof timers.clearInterval = timers.clearInterval
export const setImmediate: typeof timers.setImmediate = timers.setImmediate
export const clearImmediate: typeof timers.clearImmediate = timers.clearImmediate

export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask
export const nextTick: typeof process.nextTick = process.nextTick.bind(process)

/** The wall clock, in ms since the epoch. */
export const wallNowMs: () => number = Date.now
/** CLOCK_MONOTONIC in ns, as `process.hrtime.bigint()` returns it. */
export const monotonicNowNs: () => bigint = process.hrtime.bigint.bind(process.hrtime)
/**
 * The monotonic clock, in ms. `performance` takes a millisecond to load, and the array of `process.hrtime()` takes 2 µs to make and to read, before V8 has optimized
 * that; this takes 0.4 (Node 20).
 */
export function monotonicNowMs(): number {
  return Number(monotonicNowNs()) / 1_000_000
}

/** The longest delay of a timer. */
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** Starts a timer that only keeps the process alive, until `clearInterval`. */
export function keepAliveTimer(): NodeJS.Timeout {
  return setInterval(() => {}, LONGEST_DELAY_MS)
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Resolves after `ms`. Keeps the process alive meanwhile, unless `ref` is false. */
export function sleep(ms: number, { ref = true }: { readonly ref?: boolean } = {}): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    if (!ref) timer.unref()
  })
}
