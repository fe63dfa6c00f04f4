/**
 * Keeps loops of `await` from starving the event loop. A promise that settles by microtasks alone lets no timer, no I/O and
 * no signal handler run, so a loop that asks for a lock again and again would keep all of them from running. Therefore a
 * refusal always takes a turn of the event loop, and a grant does if this thread has granted for a millisecond without one.
 */
import { setImmediate, monotonicNowMs } from '../real-time.ts'

/** How long grants may follow each other before the event loop is checked, in ms. */
const MOST_MS = 1
/** How many grants may follow each other before that. */
const MOST_GRANTS = 64

/** Grants since the last known turn. */
let grants = 0
/** The time of the first of them, by the monotonic clock, in ms. */
let firstMs = 0
/** Whether a turn has been asked for, which resets all this; and when. */
let isTurnAwaited = false
let awaitedSinceMs = 0
/** Grants to be settled in that turn, in their order. */
let deferred: (() => void)[] = []

/** Counts a grant. True if it must pass through {@link inNextTurn}. */
export function isTurnDue(): boolean {
  const nowMs = monotonicNowMs()
  if (isTurnAwaited) return deferred.length > 0 || nowMs - awaitedSinceMs > MOST_MS
  if (grants === 0) firstMs = nowMs
  grants += 1
  if (grants >= MOST_GRANTS || nowMs - firstMs > MOST_MS) {
    isTurnAwaited = true
    awaitedSinceMs = nowMs
    setImmediate(onTurn)
  }
  return false
}

/** Resolves with `grant` in the next turn of the event loop, after those deferred before it. */
export function inNextTurn<T>(grant: T): Promise<T> {
  return new Promise((resolve) => deferred.push(() => resolve(grant)))
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function onTurn(): void {
  const settling = deferred
  deferred = []
  grants = 0
  isTurnAwaited = false
  for (const settle of settling) settle()
}
