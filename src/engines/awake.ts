/** Time as a process has it that is stopped now and then, or blocks, or gets little of the processor. */
import { setInterval, clearInterval } from '../real-time.ts'

const SLICES = 10

/**
 * Calls `onOver` after `ms`, if this process can do something in all that time: it counts in slices, and one that is late, by however
 * much, counts as one. So whatever has come meanwhile is looked at first, and what this process itself has held up is
 * nobody else's fault. Keeps nobody alive. `onHalf` is called after half of the time. Returns what cancels it.
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

/** What `promise` gives, or `failure` where it gives nothing for `ms`, as `afterAwake` has it. */
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
