/** Turns errors of `pg`, the server and the network into SlocketErrors. The server's codes: appendix A of PostgreSQL's documentation. */
import { isError, isSlocketError, SlocketError, systemCode } from '../../errors.ts'
import type { SlocketErrorCode } from '../../errors.ts'

export const CANCELLED = '57014'
/** The session was idle for longer than `idle_session_timeout`, or `idle_in_transaction_session_timeout`: its process was stopped, or the server didn't hear from it. */
export const IDLE: ReadonlySet<string | undefined> = new Set(['57P05', '25P03'])
/** The server, the database or the role has no connection left. */
export const TOO_MANY_CONNECTIONS = '53300'

const BY_STATE: readonly (readonly [state: RegExp, code: SlocketErrorCode])[] = [
  [/^(28|42501$)/, 'ERR_SLOCKET_PERMISSION'],
  [/^(25006$)/, 'ERR_SLOCKET_READ_ONLY'],
  [/^(53)/, 'ERR_SLOCKET_RESOURCES'],
  // 57014: an operator, or a script that ends long statements, has cancelled the statement.
  [/^(08|25P03|57014|57P|58)/, 'ERR_SLOCKET_UNREACHABLE'],
]

/** The server wasn't reached at all: no descriptor or port is left, or the host name can't be looked up. */
const NOT_ASKED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'])

/** @param doing what failed: 'connect', 'take the lock …'. */
export function toServerError(error: unknown, doing: string): Error {
  if (isSlocketError(error)) return error
  if (!isError(error)) return new SlocketError('ERR_SLOCKET_SYSTEM', `cannot ${doing}: ${String(error)}`)
  const message = `cannot ${doing}: ${describe(error)}`
  return new SlocketError(codeOf(error), message, { cause: error })
}

/**
 * Whether the server may be gone, or the connection to it cut. False if the server has answered, even if only to refuse the connection, and if this process has not
 * even tried to reach it.
 */
export function isUnanswered(error: unknown): boolean {
  if (!isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) return false
  const code = systemCode(error.cause)
  return code === undefined || !(isOfServer(code) || NOT_ASKED.has(code))
}

function isOfServer(code: string): boolean {
  return code.length === 5 && !/^E[A-Z]/.test(code)
}

function codeOf(error: Error): SlocketErrorCode {
  const code = systemCode(error)
  // An error of `pg` itself: there is no usable password, the connection has ended, or the server has no TLS.
  if (code === undefined) return error.message.startsWith('SASL') ? 'ERR_SLOCKET_PERMISSION' : 'ERR_SLOCKET_UNREACHABLE'
  // An error of the network (ECONNREFUSED, ENOTFOUND) or of TLS (ERR_TLS_CERT_ALTNAME_INVALID, SELF_SIGNED_CERT_IN_CHAIN). The server's codes have five characters.
  if (!isOfServer(code)) return 'ERR_SLOCKET_UNREACHABLE'
  return BY_STATE.find(([state]) => state.test(code))?.[1] ?? 'ERR_SLOCKET_SYSTEM'
}

function describe(error: Error): string {
  // An AggregateError: none of several addresses could be reached.
  if ('errors' in error && Array.isArray(error.errors))
    return error.errors.map((one) => (one as Error).message).join('; ')
  return error.message
}
