/**
 * A clock that can't be set and that goes on while the machine is suspended: the later of CLOCK_MONOTONIC, which stops in a suspend,
 * and the uptime, which includes it (in steps of 10 ms).
 */
import os from 'node:os'
import { wallNowMs, monotonicNowMs } from '../../real-time.ts'

/** How far the uptime is ahead of CLOCK_MONOTONIC. */
let lateMs = 0
/** How far the wall clock was ahead when the uptime was last read. */
let wallMs = -Infinity
/** How far the two clocks may drift apart meanwhile. */
const DRIFT_MS = 50

/** Returns ms since some fixed moment. Never goes back. */
export function steadyMs(): number {
  const monotonicMs = monotonicNowMs()
  // Apart from rounding, the difference only grows in a suspend.
  lateMs = Math.max(lateMs, os.uptime() * 1000 - monotonicMs)
  wallMs = wallNowMs() - monotonicMs
  return monotonicMs + lateMs
}

/**
 * Like {@link steadyMs}, but reads the uptime, which costs opening and reading a file, only if the wall clock shows that there may have been a suspend. If the wall clock
 * was set back by exactly the length of the suspend, the result is too early; it is never too late. Use it only for times that may be too early.
 */
export function notAfterNowMs(): number {
  const monotonicMs = monotonicNowMs()
  return Math.abs(wallNowMs() - monotonicMs - wallMs) > DRIFT_MS ? steadyMs() : monotonicMs + lateMs
}
