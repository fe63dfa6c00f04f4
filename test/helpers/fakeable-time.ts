/**
 * To be imported before anything of slocket, which otherwise keeps to the real clocks and timers (src/real-time.ts): then
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
