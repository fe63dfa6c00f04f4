/** Runs a body under the locks that were acquired for it, and releases them. */
import { debug } from '../debug.ts'
import { SlocketError } from '../errors.ts'
import type { Holding } from '../holding.ts'
import { callBody, endBody, forgetLocks, nestedEnd } from '../holding.ts'
import type { Lock } from '../lock.ts'

/** What a body holds while it runs. */
interface Possession {
  /** What the asynchronous context of the body holds, the innermost last. Each is the `outer` of the next. */
  readonly holdings: readonly Holding[]
  /** The locks, in the order in which they were acquired. */
  readonly locks: readonly Lock[]
}

/**
 * Calls `body`, and releases the locks once it has ended, and so have the nested calls that it has started but not waited for.
 *
 * @throws what `body` throws; ERR_SLOCKET_LOST; ERR_SLOCKET_NOT_RELEASED.
 */
export async function runUnder<T>({ holdings, locks }: Possession, body: () => T | Promise<T>): Promise<T> {
  let result: T
  try {
    try {
      result = await callBody(holdings, body)
    } finally {
      endBody(holdings)
      const nested = nestedEnd(holdings)
      if (nested !== undefined) await nested
      forgetLocks(holdings)
    }
  } catch (error) {
    await releaseQuietly(locks)
    throw error
  }
  const lost = locks.find(({ loss }) => loss !== undefined)
  if (lost === undefined) await releaseAll(locks)
  else {
    await releaseQuietly(locks)
    throw lostError(lost, lost.loss!, result)
  }
  return result
}

/**
 * Calls the release of all locks before it returns, in the reverse order of their acquisition.
 *
 * @throws (by the promise) the first failure, once all have settled.
 */
export function releaseAll(locks: readonly Lock[]): Promise<void> {
  return locks.length === 1 ? locks[0]!.release() : releaseEach(locks)
}

async function releaseEach(locks: readonly Lock[]): Promise<void> {
  const results = await Promise.allSettled(locks.toReversed().map((lock) => lock.release()))
  const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason as unknown)
  for (const failure of failures.slice(1)) debug('release: %s', failure)
  if (failures.length > 0) throw failures[0]
}

/** Releases all locks after a failure. A failure to release does not hide the first error. */
export async function releaseQuietly(locks: readonly Lock[]): Promise<void> {
  await releaseAll(locks).catch((failure: unknown) => debug('%s: release: %s', locks[0]?.name, failure))
}

function lostError({ name }: Lock, loss: Error, result: unknown): SlocketError {
  const message = `the lock '${name}' was lost while the body ran: ${loss.message}`
  const error = new SlocketError('ERR_SLOCKET_LOST', message, { cause: loss })
  return Object.defineProperty(error, 'result', { value: result })
}
