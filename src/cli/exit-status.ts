/** The exit statuses of `slocket`, other than the status of the command that it ran: those of <sysexits.h>, as flock(1) uses them. */
import { isSlocketError, systemCode } from '../errors.ts'
import type { SlocketErrorCode } from '../errors.ts'

const USAGE = 64
export const NO_INPUT = 66
export const UNAVAILABLE = 69
const SOFTWARE = 70
export const OS_ERROR = 71
const CANNOT_CREATE = 73
const INPUT_OUTPUT = 74
/** As shells and env(1) have them: the command exists but cannot be started; or it doesn't exist. */
export const NOT_EXECUTABLE = 126
export const NOT_FOUND = 127
/** Added to the number of the signal that ended the command. */
export const SIGNAL_BASE = 128

const BY_CODE: Readonly<Partial<Record<SlocketErrorCode, number>>> = {
  ERR_SLOCKET_NO_PARENT: NO_INPUT,
  ERR_SLOCKET_NOT_A_LOCK: NO_INPUT,
  ERR_SLOCKET_DEAD_SOCKET: NO_INPUT,
  ERR_SLOCKET_PERMISSION: NO_INPUT,
  ERR_SLOCKET_PATH_TOO_LONG: NO_INPUT,
  ERR_SLOCKET_UNREACHABLE: UNAVAILABLE,
  ERR_SLOCKET_NO_CLIENT: UNAVAILABLE,
  ERR_SLOCKET_POOLER: UNAVAILABLE,
  ERR_SLOCKET_READ_ONLY: CANNOT_CREATE,
  ERR_SLOCKET_CLAIM_MISMATCH: USAGE,
}

export function statusOf(error: unknown): number {
  if (isUsageError(error)) return USAGE
  if (isOutputError(error)) return INPUT_OUTPUT
  return isSlocketError(error) ? (BY_CODE[error.code] ?? OS_ERROR) : SOFTWARE
}

/** The command line cannot be understood. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError'
}

/** Compares the name of the error: the package has two copies of this file (scripts/build-dist.js). */
export function isUsageError(error: unknown): boolean {
  return error instanceof Error && error.name === 'UsageError'
}

/** The output cannot be written. The system's error is the cause, so that this is never mistaken for a system error. */
export class OutputError extends Error {
  override readonly name: string = 'OutputError'

  constructor(cause: Error) {
    super(`the output cannot be written: ${cause.message}`, { cause })
  }
}

/** Whether nobody reads the output any more. */
export function isBrokenPipe(error: unknown): boolean {
  return isOutputError(error) && systemCode(error.cause) === 'EPIPE'
}

/** Compares the name, as {@link isUsageError} does. */
function isOutputError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'OutputError'
}
