/** Errors on their way from one thread to another. */
import type { SlocketErrorCode } from '../errors.ts'
import { SlocketError, systemCode } from '../errors.ts'
import type { PlainError } from './messages.ts'

/** What a system error says beside its message and its code. */
const DETAILS = ['errno', 'syscall', 'path', 'dest', 'address'] as const

export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) {
    return { name: 'Error', message: String(error), code: undefined, details: {}, cause: undefined }
  }
  const known = error as unknown as Record<string, unknown>
  const details = Object.fromEntries(DETAILS.filter((key) => key in error).map((key) => [key, known[key]]))
  const { name, message, cause } = error
  return { name, message, code: systemCode(error), details, cause: cause === undefined ? undefined : toPlain(cause) }
}

/** Made anew where it is thrown, so that its stack leads to the caller. */
export function fromPlain(plain: PlainError): Error {
  const options = plain.cause === undefined ? {} : { cause: fromPlain(plain.cause) }
  if (plain.name === 'SlocketError') {
    return new SlocketError(plain.code as SlocketErrorCode, plain.message, options)
  }
  const error = new Error(plain.message, options)
  const code = plain.code === undefined ? {} : { code: plain.code }
  return Object.assign(error, code, plain.details)
}
