/**
 * Tracks what this thread keeps open without using it, so that the next use is cheap. Each item costs a descriptor or two.
 *
 *  1. At most MOST_IDLE are idle; the least recently used is closed first.
 *  2. A step that fails because there are no descriptors is retried after everything idle has been closed: {@link makeRoom}.
 *  3. What is in use is never closed.
 */
import { debug } from '../debug.ts'
import { systemCode } from '../errors.ts'

export interface Idle {
  readonly isIdle: boolean
  /** As returned by `monotonicNowMs`. */
  readonly idleSinceMs: number
  leave(): void
}

const MOST_IDLE = 32

/** Everything that has been idle. Items that are in use again are removed at the next look. */
const known = new Set<Idle>()
/** Functions that close what other threads of this process keep open. */
const others = new Set<() => boolean>()

export function becomeIdle(one: Idle): void {
  known.add(one)
  if (known.size > MOST_IDLE) closeOldest()
}

/** Must be called when `one` was closed. */
export function forgetIdle(one: Idle): void {
  known.delete(one)
}

/** @param leaveAll closes everything that another thread of this process keeps open, at once. Returns false if there was nothing. */
export function addIdleThread(leaveAll: () => boolean): void {
  others.add(leaveAll)
}

export function removeIdleThread(leaveAll: () => boolean): void {
  others.delete(leaveAll)
}

/** Closes everything that is idle in this thread. Returns false if there was nothing. */
export function leaveIdle(): boolean {
  let hasLeft = false
  for (const one of known) {
    known.delete(one)
    if (!one.isIdle) continue
    leave(one)
    hasLeft = true
  }
  return hasLeft
}

/**
 * Closes everything idle, if `error` says that there are no descriptors. Returns if the step that failed should be retried;
 * otherwise throws `error`. (The retries end, because each time there is less to close.)
 */
export function makeRoom(error: unknown): void {
  if (!isOutOfDescriptors(error)) throw error
  if (leaveIdle()) return
  for (const leaveAll of others) if (leaveAll()) return
  throw error
}

export function isOutOfDescriptors(error: unknown): boolean {
  const code = systemCode(error)
  if (code === 'EMFILE' || code === 'ENFILE') return true
  return error instanceof Error && error.cause !== undefined && isOutOfDescriptors(error.cause)
}

/** Retries a step for as long as that helps: see {@link makeRoom}. */
export async function withRoom<T>(step: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await step()
    } catch (error) {
      makeRoom(error)
    }
  }
}

function closeOldest(): void {
  let oldest: Idle | undefined
  for (const one of known) {
    if (!one.isIdle) known.delete(one)
    else if (oldest === undefined || one.idleSinceMs < oldest.idleSinceMs) oldest = one
  }
  if (oldest !== undefined && known.size > MOST_IDLE) leave(oldest)
}

function leave(one: Idle): void {
  try {
    one.leave()
  } catch (error) {
    // The caller asked for something else, so this failure isn't its own.
    debug('what is idle could not be closed: %s', error)
  }
}
