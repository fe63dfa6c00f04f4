/**
 * Keeps loops of `await` from starving the event loop. A promise that settles by microtasks alone lets no timer, no I/O and
 * no signal handler run, so a loop that asks for a lock again and again would keep all of them from running. Therefore a
 * refusal always takes a turn of the event loop, and a grant does if this thread has granted for some milliseconds without one.
 */
import { setImmediate, wallNowMs } from '../real-time.ts'

/**
 * For how long grants may follow each other before a turn is scheduled, in ms; and from then on, before they wait for that turn. At 1 ms, a loop that
 * acquires and releases a free local lock takes 3 percent longer than without turns; at 2 ms, 1 percent (Node 20).
 */
const MOST_MS = 2

/**
 * The time of the first grant since the last known turn, in ms. Undefined if there was none. It is that of the wall clock, which costs least: if that is
 * set meanwhile, in either direction, a turn is scheduled early.
 */
let firstMs: number | undefined
/** Whether a turn has been scheduled, which resets all this; and when. */
let isTurnAwaited = false
let awaitedSinceMs = 0
/** The grants to be settled in that turn, in their order. */
let deferred: { readonly settle: (value: never) => void; readonly value: unknown }[] = []

/** Counts a grant. Returns true if the grant must be settled through {@link inNextTurn}. */
export function isTurnDue(): boolean {
  const nowMs = wallNowMs()
  if (isTurnAwaited) return deferred.length > 0 || Math.abs(nowMs - awaitedSinceMs) > MOST_MS
  firstMs ??= nowMs
  if (Math.abs(nowMs - firstMs) > MOST_MS) {
    isTurnAwaited = true
    awaitedSinceMs = nowMs
    setImmediate(onTurn)
  }
  return false
}

/** Calls `settle`, which settles a grant, with `value` in the next turn of the event loop, after those deferred before it. */
export function inNextTurn<T>(settle: (value: T) => void, value: T): void {
  deferred.push({ settle, value })
}

function onTurn(): void {
  const settling = deferred
  deferred = []
  firstMs = undefined
  isTurnAwaited = false
  for (const { settle, value } of settling) settle(value as never)
}
