/**
 * A clock that nobody sets, and that does not stand still while the machine sleeps: the later of CLOCK_MONOTONIC, which stops in
 * suspend, and the uptime, which counts it (in steps of 10 ms).
 */
import os from 'node:os'
import { wallNowMs, monotonicNowMs } from '../../real-time.ts'

let lateMs = 0
/** By how much the wall clock was ahead when the uptime was last read. */
let wallMs = -Infinity
/** By how much the two may drift apart meanwhile. */
const DRIFT_MS = 50

/** In ms, from some moment on. Never goes back. */
export function steadyMs(): number {
  const monotonicMs = monotonicNowMs()
  // What the uptime is ahead by grows in a suspend, and but for rounding at no other time.
  lateMs = Math.max(lateMs, os.uptime() * 1000 - monotonicMs)
  wallMs = wallNowMs() - monotonicMs
  return monotonicMs + lateMs
}

/**
 * The same without reading the uptime, which costs a file opened and read: where the wall clock, which goes on in a suspend, has not moved. If it was set back
 * by just as much, this is a moment before now; it is never one after. For what may count from too early.
 */
export function notAfterNowMs(): number {
  const monotonicMs = monotonicNowMs()
  return Math.abs(wallNowMs() - monotonicMs - wallMs) > DRIFT_MS ? steadyMs() : monotonicMs + lateMs
}
