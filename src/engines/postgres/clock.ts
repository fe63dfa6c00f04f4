/**
 * A clock that nobody sets, and that does not stand still while the machine sleeps: the later of CLOCK_MONOTONIC, which stops in
 * suspend, and the uptime, which counts it (in steps of 10 ms).
 */
import os from 'node:os'

let lateMs = 0

/** In ms, from some moment on. Never goes back. */
export function steadyMs(): number {
  const monotonicMs = Number(process.hrtime.bigint() / 1000n) / 1000
  // What the uptime is ahead by grows in a suspend, and but for rounding at no other time.
  lateMs = Math.max(lateMs, os.uptime() * 1000 - monotonicMs)
  return monotonicMs + lateMs
}
