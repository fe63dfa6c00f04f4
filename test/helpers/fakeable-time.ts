/**
 * Import this before anything of slocket. Otherwise slocket uses the real clocks and timers (src/real-time.ts); with it,
 * fake timers reach its `setTimeout`, and a mock of `clock.now` its monotonic clock. Not for the local engine: other processes have the real clock.
 */
import timers from 'node:timers'

export const clock: { now: () => number } = { now: performance.now.bind(performance) }

process.hrtime.bigint = () => BigInt(Math.round(clock.now() * 1_000_000))
timers.setTimeout = Object.assign(
  (callback: () => void, ms?: number) => globalThis.setTimeout(callback, ms),
  timers.setTimeout,
)
