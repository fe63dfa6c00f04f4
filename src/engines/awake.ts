/** Time limits that count only time in which this process runs: it may be stopped, block, or get little processor time. */
import { setInterval, clearInterval } from '../real-time.ts'

const SLICES = 10

/**
 * Calls `onOver` after `ms` in which this process could run. It counts in slices, and a slice that ends late, by however much, counts as one. So
 * everything that has arrived meanwhile is handled first, and a delay in this process isn't blamed on others. Doesn't keep the process alive.
 * `onHalf` is called after half of the time. Returns a function that cancels it.
 */
function afterAwake(ms: number, onOver: () => void, onHalf?: () => void): () => void {
  let left = SLICES
  const timer = setInterval(() => {
    left -= 1
    if (left === SLICES / 2) onHalf?.()
    if (left > 0) return
    clearInterval(timer)
    onOver()
  }, ms / SLICES).unref()
  return () => clearInterval(timer)
}

/** Settles as `promise` does, or rejects with `failure()` if the promise doesn't settle within `ms`, counted as in `afterAwake`. */
export async function withinAwake<T>(
  promise: Promise<T>,
  ms: number,
  failure: () => Error,
  onHalf?: () => void,
): Promise<T> {
  let cancel: (() => void) | undefined
  const over = new Promise<never>((_resolve, reject) => {
    cancel = afterAwake(ms, () => reject(failure()), onHalf)
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    cancel?.()
  }
}
