/** The errors of proper-lockfile, with its codes and messages. */
import { isSlocketError, systemCode } from '../errors.ts'
import type { LockOptions } from './proper-lockfile-options.ts'
import type { RetryOptions } from './retries.ts'

/** @throws ESYNC. */
export function refuseRetries(options: LockOptions | undefined): void {
  const retries = options?.retries ?? 0
  const count: unknown = typeof retries === 'number' ? retries : (retries as RetryOptions).retries
  if (typeof count !== 'number' || count <= 0) return
  throw Object.assign(new Error('Cannot use retries with the sync api'), { code: 'ESYNC' })
}

export function lockedError(file: string, cause?: Error): Error {
  const error = new Error('Lock file is already being held', cause === undefined ? {} : { cause })
  return Object.assign(error, { code: 'ELOCKED', file })
}

export function releasedError(): Error {
  return Object.assign(new Error('Lock is already released'), { code: 'ERELEASED' })
}

export function notAcquiredError(): Error {
  return Object.assign(new Error('Lock is not acquired/owned by you'), { code: 'ENOTACQUIRED' })
}

export function compromisedError(lockPath: string, cause: unknown): Error {
  const message = `ENOENT: the lock directory '${lockPath}' is gone, or what this process has in it`
  return Object.assign(new Error(message, { cause }), { code: 'ECOMPROMISED' })
}

/** The system's error, if the system refused: programs written for proper-lockfile look for its codes. */
export function asSystemError(error: unknown): unknown {
  return isSlocketError(error) && systemCode(error.cause) !== undefined ? error.cause : error
}
