/** A timer's longest delay. */
import { setInterval, clearInterval } from '../real-time.ts'
const FOR_EVER_MS = 2 ** 31 - 1

/** Keeps the process alive until what it returns is called. */
export function keepAlive(): () => void {
  const timer = setInterval(() => {}, FOR_EVER_MS)
  return () => clearInterval(timer)
}
