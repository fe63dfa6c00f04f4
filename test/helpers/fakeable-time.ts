/**
 * To be imported before anything of slocket, which otherwise keeps to the real clocks and timers (src/real-time.ts): then
 * node:test's mock timers reach its `setTimeout`, and `fakes.now` takes the place of its monotonic clock.
 */
import timers from 'node:timers'

const realNow = performance.now.bind(performance)

export const fakes: { now: () => number } = { now: realNow }

export function restoreNow(): void {
  fakes.now = realNow
}

performance.now = () => fakes.now()
timers.setTimeout = Object.assign(
  (...parameters: Parameters<typeof timers.setTimeout>) => globalThis.setTimeout(...parameters),
  timers.setTimeout,
)
