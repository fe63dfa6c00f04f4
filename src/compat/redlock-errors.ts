/** The errors of `slocket/redlock`, and the counts of votes that redlock reports: of one vote, since there is one server (or cluster). */
import type { RedisClient } from '../engines/redis/client.ts'
import { isError, isSlocketError } from '../errors.ts'

/** The votes on one attempt. */
export interface ExecutionStats {
  /** 1: there is one client. */
  readonly membershipSize: number
  /** 1. */
  readonly quorumSize: number
  /** The client, if the operation succeeded. */
  readonly votesFor: Set<RedisClient>
  /** The client, and why the operation failed. */
  readonly votesAgainst: Map<RedisClient, Error>
}

/** The result of an operation. */
export interface ExecutionResult {
  /** One attempt: requests wait in a queue instead of trying again. */
  readonly attempts: readonly Promise<ExecutionStats>[]
}

/** A resource is locked by another caller, or a lock is no longer held. Its `cause` is a `SlocketError`. */
export class ResourceLockedError extends Error {
  override readonly name = 'ResourceLockedError'
}

/**
 * An operation failed. Its `cause` says why: a `SlocketError` with one of the codes of docs/errors.md. ERR_SLOCKET_TIMEOUT: the lock wasn't free in time.
 * ERR_SLOCKET_LOST: it had expired, was released, or was lost.
 */
export class ExecutionError extends Error {
  override readonly name = 'ExecutionError'
  /** As in {@link ExecutionResult}. */
  readonly attempts: readonly Promise<ExecutionStats>[]

  constructor(message: string, attempts: readonly Promise<ExecutionStats>[], options?: ErrorOptions) {
    super(message, options)
    this.attempts = attempts
  }
}

/** The error that is emitted as 'error', and that is in the vote. */
export function toVote(error: unknown): Error {
  if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT') || isSlocketError(error, 'ERR_SLOCKET_LOST')) {
    return new ResourceLockedError(error.message, { cause: error })
  }
  return isError(error) ? error : new Error(String(error))
}

export function votesFor(client: RedisClient): ExecutionResult['attempts'] {
  const stats = { membershipSize: 1, quorumSize: 1, votesFor: new Set([client]), votesAgainst: new Map() }
  return [Promise.resolve(stats)]
}

/** @param vote see `toVote`. */
export function toExecutionError(operation: string, client: RedisClient, vote: Error, cause: unknown): ExecutionError {
  const stats = {
    membershipSize: 1,
    quorumSize: 1,
    votesFor: new Set<RedisClient>(),
    votesAgainst: new Map([[client, vote]]),
  }
  return new ExecutionError(`${operation} failed: ${vote.message}`, [Promise.resolve(stats)], { cause })
}
