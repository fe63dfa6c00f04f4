/**
 * Spinning, as an adaptive mutex does: a waiter that is next looks for a moment whether the holder leaves, before it sleeps. Waking a sleeping process takes
 * longer than that moment, and costs more processor time.
 */
import { monotonicNowMs } from '../../real-time.ts'

/** The longest spin, in ms: about as long as it takes to wake a process. The event loop of the waiter is blocked meanwhile. */
const SPIN_MS = 0.05
/** After as many spins in vain, the holders hold for longer than that: then only one in so many waits begins with a spin. */
const MOST_MISSES = 4
const WAITS_PER_SPIN = 16

export class Spin {
  /** Waits since the last spin that ended with the departure of the holder. */
  private misses = 0

  /** Whether `hasLeft` became true within the moment. */
  until(hasLeft: () => boolean): boolean {
    const skips = this.misses >= MOST_MISSES && this.misses % WAITS_PER_SPIN !== 0
    this.misses += 1
    if (skips) return false
    const endMs = monotonicNowMs() + SPIN_MS
    do {
      if (hasLeft()) {
        this.misses = 0
        return true
      }
    } while (monotonicNowMs() < endMs)
    return false
  }
}
