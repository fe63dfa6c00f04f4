/**
 * To be imported before anything of slocket, which otherwise keeps to the real clocks and timers (src/real-time.ts): then
 * fake timers reach its `setTimeout`, and a mock of `clock.now` its monotonic clock.
 */
import timers from 'node:timers'

export const clock: { now: () => number } = { now: performance.now.bind(performance) }

performance.now = () => clock.now()
timers.setTimeout = Object.assign(
  (callback: () => void, ms?: number) => globalThis.setTimeout(callback, ms),
  timers.setTimeout,
)
