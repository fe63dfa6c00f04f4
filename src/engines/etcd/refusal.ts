/** Interprets errors of gRPC. */
import { SlocketError } from '../../errors.ts'

/** Codes of gRPC: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const CANCELLED = 1
const UNKNOWN = 2
const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const ABORTED = 10
const OUT_OF_RANGE = 11
const INTERNAL = 13
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16
/** The error isn't from gRPC: a mistake in a program. */
const NO_STATUS = -1

export type Meaning =
  /** No answer, or the answer "not now": another member may answer. The request may have been carried out. */
  | 'unanswered'
  /** The token is unknown, or too old. */
  | 'token'
  /** The lease has run out, or was revoked. */
  | 'no lease'
  /** The server does not check passwords. */
  | 'no authentication'
  | 'refused'

interface Status {
  readonly code: number
  readonly details: string
}

export function meaningOf(error: unknown): Meaning {
  const { code, details } = statusOf(error)
  switch (code) {
    case CANCELLED:
    case UNKNOWN:
    case DEADLINE_EXCEEDED:
    case ABORTED:
    case INTERNAL:
    case UNAVAILABLE:
      return 'unanswered'
    case RESOURCE_EXHAUSTED:
      // No space; or the request is larger than the server accepts, and another one would not accept it either.
      return /space|larger than max/.test(details) ? 'refused' : 'unanswered'
    case UNAUTHENTICATED:
      return 'token'
    case INVALID_ARGUMENT:
      return /revision (in header|of auth store)/.test(details) ? 'token' : 'refused'
    case NOT_FOUND:
      return details.includes('lease') ? 'no lease' : 'refused'
    default:
      return details.includes('authentication is not enabled') ? 'no authentication' : 'refused'
  }
}

/** Whether the requested revision is no longer kept. `error` is that of gRPC, or has it as its cause. */
export function isCompacted(error: unknown): boolean {
  const { code, details } = statusOf(error instanceof SlocketError ? error.cause : error)
  return code === OUT_OF_RANGE && details.includes('compacted')
}

/** Converts a refusal to a SlocketError. */
export function toSlocketError(error: unknown, addresses: readonly string[]): SlocketError {
  const { code, details } = statusOf(error)
  // This didn't come from the server.
  if (code === NO_STATUS)
    return new SlocketError('ERR_SLOCKET_SYSTEM', `etcd could not be queried: ${details}`, { cause: error })
  const where = `etcd at ${addresses.join(', ')}`
  const isDenied = code === PERMISSION_DENIED || code === UNAUTHENTICATED || /user|auth/.test(details)
  if (isDenied) {
    const advice = 'check options.credentials, and the permissions of that user for the keys of the namespace'
    return new SlocketError('ERR_SLOCKET_PERMISSION', `${where} refuses: ${details}; ${advice}`, { cause: error })
  }
  const slocketCode = code === RESOURCE_EXHAUSTED ? 'ERR_SLOCKET_RESOURCES' : 'ERR_SLOCKET_SYSTEM'
  return new SlocketError(slocketCode, `${where} refuses: ${details}`, { cause: error })
}

/** Makes an error as if the server had sent it. */
export function unanswered(details: string): Error {
  return Object.assign(new Error(details), { code: UNAVAILABLE, details })
}

export function statusOf(error: unknown): Status {
  const { code, details } = error as Partial<Status>
  return { code: typeof code === 'number' ? code : NO_STATUS, details: details ?? String(error) }
}
