/**
 * Every failure except a wrong argument is a `SlocketError` with a stable `code`.
 *
 * Codes are part of the API and only change in major versions; messages are for people and may change at any time.
 * docs/errors.md says what to do about each code.
 */
import { types } from 'node:util'
import type { LockRequest, Obstacle } from './lock-state.ts'

/** The codes that a {@link SlocketError} can carry. docs/errors.md explains each. */
export type SlocketErrorCode =
  | 'ERR_SLOCKET_TIMEOUT'
  | 'ERR_SLOCKET_LOST'
  | 'ERR_SLOCKET_NOT_RELEASED'
  | 'ERR_SLOCKET_CLAIM_MISMATCH'
  | 'ERR_SLOCKET_DEADLOCK'
  | 'ERR_SLOCKET_NO_DOWNGRADE'
  | 'ERR_SLOCKET_NO_THREAD'
  | 'ERR_SLOCKET_NO_PARENT'
  | 'ERR_SLOCKET_NOT_A_LOCK'
  | 'ERR_SLOCKET_DEAD_SOCKET'
  | 'ERR_SLOCKET_PERMISSION'
  | 'ERR_SLOCKET_READ_ONLY'
  | 'ERR_SLOCKET_RESOURCES'
  | 'ERR_SLOCKET_PATH_TOO_LONG'
  | 'ERR_SLOCKET_NETWORK_FILE_SYSTEM'
  | 'ERR_SLOCKET_OTHER_KERNEL'
  | 'ERR_SLOCKET_OTHER_MOUNT'
  | 'ERR_SLOCKET_NO_SOCKETS'
  | 'ERR_SLOCKET_UNSUPPORTED_PLATFORM'
  | 'ERR_SLOCKET_NO_CLIENT'
  | 'ERR_SLOCKET_UNREACHABLE'
  | 'ERR_SLOCKET_POOLER'
  | 'ERR_SLOCKET_NO_TRANSACTION'
  | 'ERR_SLOCKET_SYSTEM'

const BRAND = Symbol.for('slocket.error')

/**
 * An error of this package. Wrong arguments throw TypeError or RangeError instead. `cause` is the error of the system or the server, if there
 * was one.
 *
 * Check `code` with {@link isSlocketError}. Messages may change, and `instanceof` fails if two copies of the package are loaded.
 */
export class SlocketError extends Error {
  /** What went wrong. Codes only change in major versions; docs/errors.md explains each. */
  readonly code: SlocketErrorCode
  /** The result of the body, if `slocket.with()` rejects because the lock was lost while the body ran. Not enumerable. */
  declare readonly result?: unknown
  /** The path or the name of the lock, as the caller passed it. Set only for ERR_SLOCKET_TIMEOUT, like the next three. Not enumerable: the message has it. */
  declare readonly path?: string
  /**
   * The holders of the lock, as seen at most half a second before the deadline. Empty if there were none. If they could not be determined in time, `held`,
   * `ahead` and `obstacle` are missing. Not enumerable.
   */
  declare readonly held?: LockRequest[]
  /** How many requests waited ahead. Not enumerable. */
  declare readonly ahead?: number
  /** What was at the path instead of a lock. Missing if there was nothing else. Not enumerable. */
  declare readonly obstacle?: Obstacle

  constructor(code: SlocketErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'SlocketError', configurable: true, writable: true })
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }
}

/** Adds facts that the message already has. They aren't enumerable, so that printing the error doesn't repeat them. */
export function addFacts(error: SlocketError, facts: Partial<SlocketError>): SlocketError {
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) Object.defineProperty(error, name, { value })
  }
  return error
}

/**
 * Returns whether `error` is a {@link SlocketError}, of any loaded copy of the package. If `code` is given, it must have that code.
 *
 * ```js
 * try { await slocket('deploy.lock', { timeout: 5000 }) }
 * catch (error) { if (!isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw error }
 * ```
 */
export function isSlocketError(error: unknown, code?: SlocketErrorCode): error is SlocketError {
  return (
    typeof error === 'object' &&
    error !== null &&
    BRAND in error &&
    (code === undefined || (error as { code?: unknown }).code === code)
  )
}

/** True for an error of any realm. In Jest, an error that Node creates isn't an instance of the `Error` that the code under test sees. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value)
}

/** The `code` of a system error ('ENOENT'), or undefined if `error` is something else. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  // ESTALE, which libuv has no name for: FUSE reports it for a name that was removed at that moment (gocryptfs, mergerfs).
  if (error.code === 'Unknown system error -116') return 'ENOENT'
  return typeof error.code === 'string' ? error.code : undefined
}

/**
 * Returns `text`, which another process or user may have written, in a form that a terminal or a log shows as one line: control
 * and invisible characters are written as escapes.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}
