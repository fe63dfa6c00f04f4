/** Converts errors of an engine to those of the Web Locks specification. */
import type { SlocketErrorCode } from '../errors.ts'
import { isSlocketError } from '../errors.ts'

/** The codes of errors that mean that locks cannot live there. Other errors (no descriptor, no space) may be temporary, and aren't converted. */
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

/** Returns a SecurityError with the error as its `cause`, if the error means that locks cannot live there; otherwise the error itself. */
export function toWebError(error: unknown): unknown {
  if (!isSlocketError(error) || !NO_STORAGE.has(error.code)) return error
  const { message } = error
  const webError = new DOMException(message, 'SecurityError')
  // In Node 20 the constructor's options have no `cause`.
  Object.defineProperty(webError, 'cause', { value: error, configurable: true, writable: true })
  return webError
}
