/**
 * Asks the server for one lock, through one session, and settles the request.
 *
 *  1. A session that is released holds nothing. Anything unexpected ends the session, and the server then frees what it held.
 *  2. Either the request rejects and nothing is held, or it is granted.
 *  3. At a grant, the session is known to have been alive less than a heartbeat ago.
 */
import { SlocketError, systemCode } from '../../errors.ts'
import type { Row } from './client.ts'
import type { Control } from './control.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Settings } from './options.ts'
import { PostgresGrant } from './grant.ts'
import { MIXED, UNSURE } from './permit-keys.ts'
import { CANCEL_MS, mismatch, notCancelledInTime, passGate } from './permit-gate.ts'
import { PermitStatements } from './permit-statements.ts'
import type { Request } from './request.ts'
import type { Scope } from './scope.ts'
import { CANCELLED, IDLE, isUnanswered } from './server-error.ts'
import type { Session } from './session.ts'
import type { Statements } from './statements.ts'
import { poolerError } from './set-up.ts'
import { setTimeout, clearTimeout, monotonicNowMs, sleep } from '../../real-time.ts'

export interface AcquireParts {
  readonly settings: Settings
  readonly control: Control
  readonly scope: Scope
  readonly now: () => number
}

const LONGEST_PAUSE_MS = 50

export interface AcquireListeners {
  /** Called once the session holds nothing or has ended. */
  readonly onFree: () => void
  /** Called once the server has answered the statement. A request for permits may then wait without a statement. */
  readonly onAnswered: () => void
}

/**
 * @returns false if the connection was cut after the request had waited for at least a heartbeat: the request isn't settled, `onFree` isn't called, and the request
 * can wait again in another session. If connections are cut sooner, the request rejects; otherwise it would reconnect in a tight loop.
 */
export async function acquireIn(
  session: Session,
  request: Request,
  parts: AcquireParts,
  { onFree, onAnswered }: AcquireListeners,
): Promise<boolean> {
  const { statements, asked } = request
  const doing = `take the lock '${statements.name}'`
  const ask = async (statement: string): Promise<Row> => {
    const options = { doing, isWait: asked.wait, isRecurring: true }
    const [answer] = await new Asking(session, request, parts).settled(session.run(statement, options))
    return answer!
  }
  const fromMs = monotonicNowMs()
  let row: Row | undefined
  try {
    row = await ask(statements.take(asked.wait, session.canFlush))
    if (row['token'] === UNSURE && !request.isCancelled)
      row = await ask(statements.takeSurely(asked.wait, session.canFlush))
    onAnswered()
    if (statements instanceof PermitStatements)
      row = await passGate(row, { session, request, statements, parts, sinceMs: fromMs })
    if (row['pid'] !== String(session.pid)) throw poolerError()
    if (row['token'] !== null && row['token'] !== MIXED && !request.isCancelled)
      row = await confirmed(row, session, request, parts)
  } catch (error) {
    const isCut = !session.isEndedFromHere && (isUnanswered(error) || IDLE.has(codeOf(error)))
    // RACE: this process asked the server to cancel the wait. By then the session may have had the lock, and been about to take a token.
    const isClean = request.isCancelled && codeOf(error) === CANCELLED && (await hasReleasedAll(session, parts.scope))
    if (!isClean) session.end(error as Error)
    const hasWaited = asked.wait && monotonicNowMs() - fromMs >= parts.settings.heartbeatMs
    if (isCut && hasWaited && !request.isCancelled) return false
    onFree()
    if (request.isCancelled) request.becomeCancelled()
    else request.becomeRejected(error)
    return true
  }
  const { token } = row
  if (token === MIXED || row['state'] === MIXED) {
    onFree()
    if (request.isCancelled) request.becomeCancelled()
    else request.becomeRejected(mismatch(statements.name, asked.claim))
  } else if (token === null || token === undefined) {
    onFree()
    if (request.isCancelled) request.becomeCancelled()
    else request.becomeGranted(null)
  } else if (request.isCancelled) {
    // RACE: the server granted the lock while the request was being cancelled.
    if (!(await hasReleasedAll(session, parts.scope, statements)))
      session.end(new SlocketError('ERR_SLOCKET_LOST', 'the lock could not be released'))
    onFree()
    request.becomeCancelled()
  } else
    request.becomeGranted(
      new PostgresGrant({
        token: BigInt(token),
        statements,
        session,
        isTransaction: parts.scope.isTransaction,
        everyMs: parts.settings.heartbeatMs,
        patienceMs: parts.settings.patienceMs,
        now: parts.now,
        onFree,
      }),
    )
  return true
}

/** Returns a row with a token. The lock was held after the token was taken, and less than a heartbeat ago. @throws SlocketError */
async function confirmed(row: Row, session: Session, request: Request, parts: AcquireParts): Promise<Row> {
  const { statements } = request
  const { scope, settings, control } = parts
  const doing = `take the lock '${statements.name}'`
  if (!scope.isTransaction && session.silentMs <= settings.heartbeatMs) return row
  const [taken] = scope.isTransaction ? await takeToken(control, statements.token(session.canFlush), doing) : [row]
  const [alive] = await session.run(statements.signOfLife(0), { doing })
  if (alive?.['pid'] !== String(session.pid)) throw poolerError()
  return taken!
}

/** Takes a token in the control session. Unlike `control`, this keeps the process alive. */
async function takeToken(control: Control, statement: string, doing: string): Promise<Row[]> {
  const stopKeepAlive = keepAlive()
  try {
    return await control.run(statement, doing)
  } finally {
    stopKeepAlive()
  }
}

/**
 * Releases everything that the session holds. False if that failed.
 *
 * @param granted what the session holds, if that is known. If it holds permits, the request that waits for room is notified.
 */
async function hasReleasedAll(session: Session, scope: Scope, granted?: Statements): Promise<boolean> {
  try {
    if (granted instanceof PermitStatements)
      await session.run(granted.release(), { doing: `release the lock '${granted.name}'` })
    await scope.end(session)
    return true
  } catch {
    return false
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? systemCode(error.cause) : undefined
}

/** Accompanies a statement that takes a lock: finds out when the statement is in the server's queue, and cancels it. The statement keeps the process alive. */
class Asking {
  readonly #session: Session
  readonly #request: Request
  readonly #parts: AcquireParts
  #isSettled = false
  #cancelling: Promise<void> | undefined
  #isLooking = false
  #settledController: AbortController | undefined

  constructor(session: Session, request: Request, parts: AcquireParts) {
    this.#session = session
    this.#request = request
    this.#parts = parts
  }

  /** Settles as the statement does, but not before a cancellation meant for it can no longer hit the session's next statement. */
  async settled(statement: Promise<Row[]>): Promise<Row[]> {
    const request = this.#request
    request.onCancelled = () => {
      this.#cancelling ??= this.#cancel()
    }
    request.onPlaceNeeded = () => void this.#look()
    if (request.needsPlace) void this.#look()
    try {
      return await statement
    } finally {
      this.#isSettled = true
      this.#settledController?.abort()
      request.onCancelled = undefined
      request.onPlaceNeeded = undefined
      // A cancellation can't hit a session that has ended.
      if (!this.#session.hasEnded) await this.#cancelling
    }
  }

  /**
   * Looks for the statement in the server's queue, until it is there, or is settled. A failed query is retried: it says nothing about the statement's own connection.
   * watch.ts checks that.
   */
  async #look(): Promise<void> {
    const { statements, asked } = this.#request
    const { control, settings } = this.#parts
    if (this.#isLooking || !asked.wait) return
    this.#isLooking = true
    for (let pauseMs = 0; !this.#isSettled; pauseMs = Math.min(pauseMs + 1, LONGEST_PAUSE_MS)) {
      try {
        const rows = await control.run(statements.waits(this.#session.pid), 'look for waiters', this.#untilSettled())
        if (rows.length > 0) return this.#request.becomeQueued()
      } catch {
        pauseMs = settings.heartbeatMs
      }
      await sleep(pauseMs, { ref: false })
    }
  }

  #untilSettled(): AbortSignal {
    this.#settledController ??= new AbortController()
    return this.#settledController.signal
  }

  /** Asks the server to cancel the statement. Ends the session if that doesn't work in time. */
  async #cancel(): Promise<void> {
    const { statements, asked } = this.#request
    const timer = setTimeout(() => this.#session.end(notCancelledInTime()), CANCEL_MS)
    try {
      // Bound: the timer. Repeated, since the statement may not have reached the server yet. A statement that doesn't wait needs no cancellation.
      for (let pauseMs = 1; asked.wait && !this.#isSettled && !this.#session.hasEnded; pauseMs *= 2) {
        await this.#parts.control.run(statements.cancel(this.#session.pid), 'cancel a wait', this.#untilSettled())
        await sleep(pauseMs)
      }
    } catch (error) {
      if (!this.#isSettled) this.#session.end(error as Error)
    } finally {
      clearTimeout(timer)
    }
  }
}
