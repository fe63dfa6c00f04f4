import { clearInterval, keepAliveTimer } from '../real-time.ts'

/** Keeps the process alive until what it returns is called. */
export function keepAlive(): () => void {
  const timer = keepAliveTimer()
  return () => clearInterval(timer)
}
