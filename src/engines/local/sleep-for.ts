/** Waits for `ms`, or until `signal` aborts, and keeps the process alive meanwhile. */
import { clearTimeout, setTimeout } from 'node:timers'
export async function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
