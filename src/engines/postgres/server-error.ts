/** Errors of `pg`, of the server and of the network, as ours. Codes of the server: PostgreSQL's appendix A. */
import { isSlocketError, SlocketError, systemCode } from '../../errors.ts'
import type { SlocketErrorCode } from '../../errors.ts'

export const CANCELLED = '57014'

const BY_STATE: readonly (readonly [state: RegExp, code: SlocketErrorCode])[] = [
  [/^(28|42501$)/, 'ERR_SLOCKET_PERMISSION'],
  [/^(25006$)/, 'ERR_SLOCKET_READ_ONLY'],
  [/^(53)/, 'ERR_SLOCKET_RESOURCES'],
  // 57014: an operator, or a script that ends long statements, has cancelled it.
  [/^(08|57014|57P|58)/, 'ERR_SLOCKET_UNREACHABLE'],
]

/** @param doing what failed: 'connect', 'take the lock …'. */
export function toServerError(error: unknown, doing: string): Error {
  if (isSlocketError(error)) return error
  if (!(error instanceof Error)) return new SlocketError('ERR_SLOCKET_SYSTEM', `cannot ${doing}: ${String(error)}`)
  const message = `cannot ${doing}: ${describe(error)}`
  return new SlocketError(codeOf(error), message, { cause: error })
}

function codeOf(error: Error): SlocketErrorCode {
  const code = systemCode(error)
  // What `pg` says itself: that there is no password, or none that it can use; that the connection has ended, that there is no TLS.
  if (code === undefined) return error.message.startsWith('SASL') ? 'ERR_SLOCKET_PERMISSION' : 'ERR_SLOCKET_UNREACHABLE'
  // Of the network (ECONNREFUSED, ENOTFOUND), and of TLS (ERR_TLS_CERT_ALTNAME_INVALID, SELF_SIGNED_CERT_IN_CHAIN): the server's have five characters.
  if (/^E[A-Z]/.test(code) || code.length !== 5) return 'ERR_SLOCKET_UNREACHABLE'
  return BY_STATE.find(([state]) => state.test(code))?.[1] ?? 'ERR_SLOCKET_SYSTEM'
}

function describe(error: Error): string {
  // Of several addresses none could be reached.
  if (error instanceof AggregateError) return error.errors.map((one) => (one as Error).message).join('; ')
  return error.message
}
