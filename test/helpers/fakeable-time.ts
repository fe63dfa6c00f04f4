/**
 * Import this before anything of slocket. Otherwise slocket uses the real clocks and timers (src/real-time.ts); with it,
 * fake timers reach its `setTimeout`, and a mock of `clock.now` its monotonic clock.
 */
import timers from 'node:timers'

export const clock: { now: () => number } = { now: performance.now.bind(performance) }

process.hrtime = Object.assign(
  (): [number, number] => {
    const ms = clock.now()
    return [Math.floor(ms / 1000), (ms % 1000) * 1_000_000]
  },
  { bigint: process.hrtime.bigint },
)
timers.setTimeout = Object.assign(
  (callback: () => void, ms?: number) => globalThis.setTimeout(callback, ms),
  timers.setTimeout,
)
