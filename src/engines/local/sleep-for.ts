/** Waits for `ms`, or until it is cancelled, and keeps the process alive meanwhile. */
import type { Cancellation } from '../../requests/cancellation.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

export function sleepFor(ms: number, cancellation?: Cancellation): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      cancellation?.stopListening(done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    cancellation?.listen(done)
  })
}
