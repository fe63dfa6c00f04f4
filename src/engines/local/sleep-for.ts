/** Waits for `ms`, or until it is cancelled, and keeps the process alive meanwhile. */
import { clearTimeout, setTimeout } from 'node:timers'
import type { Cancellation } from '../../contract/cancellation.ts'

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
