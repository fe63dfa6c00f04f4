/** Errors on their way from one thread to another. */
import type { SlocketErrorCode } from '../errors.ts'
import { addFacts, isSlocketError, SlocketError, systemCode } from '../errors.ts'
import type { PlainError, TimeoutFacts } from './messages.ts'

/** What a system error says beside its message and its code. */
const DETAILS = ['errno', 'syscall', 'path', 'dest', 'address'] as const

/** Those for wrong arguments, by name: an engine may refuse some only when it is asked. */
const KINDS: Readonly<Record<string, ErrorConstructor>> = { TypeError, RangeError }

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) {
    return { name: 'Error', message: String(error), code: undefined, details: {}, cause: undefined, facts: {} }
  }
  const known = error as unknown as Record<string, unknown>
  const details = Object.fromEntries(DETAILS.filter((key) => key in error).map((key) => [key, known[key]]))
  const { name, message, cause } = error
  const code = systemCode(error)
  return {
    name,
    message,
    code,
    details,
    cause: cause === undefined ? undefined : toPlain(cause),
    facts: factsOf(error),
  }
}

function factsOf(error: Error): TimeoutFacts {
  if (!isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) return {}
  const { held, ahead, obstacle } = error
  return {
    ...(held === undefined ? {} : { held }),
    ...(ahead === undefined ? {} : { ahead }),
    ...(obstacle === undefined ? {} : { obstacle }),
  }
}

/**
 * Made anew by the code that throws it, so that its stack leads to the caller.
 *
 * @param path the lock, as the caller has named it.
 */
export function fromPlain(plain: PlainError, path?: string): Error {
  const options = plain.cause === undefined ? {} : { cause: fromPlain(plain.cause) }
  if (plain.name === 'SlocketError') {
    const error = new SlocketError(plain.code as SlocketErrorCode, plain.message, options)
    if (plain.code !== 'ERR_SLOCKET_TIMEOUT' || path === undefined) return error
    return addFacts(error, { path, ...plain.facts })
  }
  const Kind = KINDS[plain.name] ?? Error
  const error = new Kind(plain.message, options)
  const code = plain.code === undefined ? {} : { code: plain.code }
  return Object.assign(error, code, plain.details)
}
