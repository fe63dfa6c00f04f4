/** Errors of an engine, as the Web Locks specification would call them. */
import type { SlocketErrorCode } from '../errors.ts'
import { isSlocketError } from '../errors.ts'

/** Those that say that locks cannot live there. Others (no descriptor, no space) may pass, and stay what they are. */
const NO_STORAGE: ReadonlySet<SlocketErrorCode> = new Set<SlocketErrorCode>([
  'ERR_SLOCKET_NO_PARENT',
  'ERR_SLOCKET_NOT_A_LOCK',
  'ERR_SLOCKET_PERMISSION',
  'ERR_SLOCKET_READ_ONLY',
  'ERR_SLOCKET_PATH_TOO_LONG',
  'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
  'ERR_SLOCKET_NO_SOCKETS',
  'ERR_SLOCKET_UNSUPPORTED_PLATFORM',
])

/** A SecurityError, with the error as its `cause`, where it says that locks cannot live there; else the error itself. */
export function toWebError(error: unknown): unknown {
  if (!isSlocketError(error) || !NO_STORAGE.has(error.code)) return error
  const { message } = error
  const webError = new DOMException(message, 'SecurityError')
  // Node 20 takes no `cause` in the constructor's options.
  Object.defineProperty(webError, 'cause', { value: error, configurable: true, writable: true })
  return webError
}
