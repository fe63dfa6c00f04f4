/**
 * How a drop-in makes a lock. If slocket refuses, the drop-in does what the package that it replaces does: a working program
 * must not fail because of another import.
 *
 * Processes that lock in different ways at one path (of two users, of two runtimes) still exclude each other: both make an entry at that path, which only one
 * of them can do, and each treats the other's entry as a lock.
 */
import { debug } from '../debug.ts'
import { noteNoSockets, refuseUnusable } from '../engines/local/refusal.ts'
import type { SlocketError, SlocketErrorCode } from '../errors.ts'
import { isSlocketError } from '../errors.ts'

/** Permission: the directory of the lock is another user's, or Node's permission model refuses what slocket needs. */
const REFUSALS: ReadonlySet<SlocketErrorCode> = new Set([
  'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  'ERR_SLOCKET_NO_SOCKETS',
  'ERR_SLOCKET_UNSUPPORTED_PLATFORM',
  'ERR_SLOCKET_PERMISSION',
])

type BySockets<T> = () => T
type ByFile<T> = (refusal: SlocketError) => T

/** Resolves with what `bySockets` resolves with; if slocket refuses, with what `byFile` resolves with. */
export async function unlessRefused<T>(
  lockPath: string,
  bySockets: BySockets<Promise<T>>,
  byFile: ByFile<Promise<T>>,
): Promise<T> {
  let refusal: SlocketError
  try {
    refuseUnusable(lockPath)
    return await bySockets()
  } catch (error) {
    refusal = refusalBy(error, lockPath)
  }
  return await byFile(refusal)
}

/** As {@link unlessRefused}, at once. */
export function unlessRefusedSync<T>(lockPath: string, bySockets: BySockets<T>, byFile: ByFile<T>): T {
  let refusal: SlocketError
  try {
    refuseUnusable(lockPath)
    return bySockets()
  } catch (error) {
    refusal = refusalBy(error, lockPath)
  }
  return byFile(refusal)
}

/** @throws `error`, if it isn't a refusal. */
function refusalBy(error: unknown, lockPath: string): SlocketError {
  if (!isSlocketError(error) || !REFUSALS.has(error.code)) throw error
  if (error.code === 'ERR_SLOCKET_NO_SOCKETS') noteNoSockets(lockPath)
  debug('%s: not by sockets, but as the package does that this is in place of: %s', lockPath, error.message)
  return error
}
