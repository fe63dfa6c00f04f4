/**
 * One request and one session: asks the server for the lock, and settles the request by what comes of it.
 *
 *  1. A session that comes back holds nothing. Whatever went otherwise than expected ends it: then the server frees what it held.
 *  2. Either the request rejects, and nothing is held, or it is granted.
 *  3. A grant comes from a session that lived when it was asked for, not longer ago than a heartbeat.
 */
import { SlocketError, systemCode } from '../../errors.ts'
import type { Row } from './client.ts'
import type { Control } from './control.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Settings } from './options.ts'
import { PostgresGrant } from './grant.ts'
import { MIXED, UNSURE } from './permit-keys.ts'
import { mismatch, passGate } from './permit-gate.ts'
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

/** How long the server may take to cancel a wait, in ms. Then the session is ended. */
const CANCEL_MS = 1000
const LONGEST_PAUSE_MS = 50

export interface AcquireListeners {
  /** Called once the session is no longer used: it holds nothing, or has ended. */
  readonly onFree: () => void
  /** Called once the server has answered: if it waits for permits, it does so without a statement. */
  readonly onAnswered: () => void
}

/**
 * @returns false if the connection was cut while the request waited: then it is not settled, `onFree` is not called, and it can wait anew by another session.
 * Only after a wait of a heartbeat: if connections are cut at once, it would connect again and again.
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
    // RACE: the server was told to cancel the wait, and this one may have held by then: it was on its way to the token.
    const isClean = request.isCancelled && codeOf(error) === CANCELLED && (await isGivenBack(session, parts.scope))
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
    // RACE: granted while it was cancelled.
    if (!(await isGivenBack(session, parts.scope, statements)))
      session.end(new SlocketError('ERR_SLOCKET_LOST', 'the lock could not be given back'))
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

/** A row with a token, of a lock that was held at a moment after the token was taken, and not longer ago than a heartbeat. @throws SlocketError */
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

/** Keeps the process alive, which `control` does not. */
async function takeToken(control: Control, statement: string, doing: string): Promise<Row[]> {
  const letGo = keepAlive()
  try {
    return await control.run(statement, doing)
  } finally {
    letGo()
  }
}

/** @param granted what the session holds, if that is known: a request that waits for permits is notified. */
async function isGivenBack(session: Session, scope: Scope, granted?: Statements): Promise<boolean> {
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

/** What goes on beside a statement that takes a lock, which keeps the process alive: it is looked for in the queue, and cancelled. */
class Asking {
  readonly #session: Session
  readonly #request: Request
  readonly #parts: AcquireParts
  #isSettled = false
  #cancelling: Promise<void> | undefined
  #isLooking = false
  #over: AbortController | undefined

  constructor(session: Session, request: Request, parts: AcquireParts) {
    this.#session = session
    this.#request = request
    this.#parts = parts
  }

  /** Settles as the statement does, once nothing can hit the session any more that was meant for this statement. */
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
      this.#over?.abort()
      request.onCancelled = undefined
      request.onPlaceNeeded = undefined
      // Where it has ended, nothing can hit it.
      if (!this.#session.hasEnded) await this.#cancelling
    }
  }

  /** Looks for it in the server's queue, until it is seen there, or settled. That nobody can look is nothing to its own connection: see watch.ts. */
  async #look(): Promise<void> {
    const { statements, asked } = this.#request
    const { control, settings } = this.#parts
    if (this.#isLooking || !asked.wait) return
    this.#isLooking = true
    for (let pauseMs = 0; !this.#isSettled; pauseMs = Math.min(pauseMs + 1, LONGEST_PAUSE_MS)) {
      try {
        const rows = await control.run(statements.waits(this.#session.pid), 'look who waits', this.#untilOver())
        if (rows.length > 0) return this.#request.becomeQueued()
      } catch {
        pauseMs = settings.heartbeatMs
      }
      await sleep(pauseMs, { ref: false })
    }
  }

  #untilOver(): AbortSignal {
    this.#over ??= new AbortController()
    return this.#over.signal
  }

  /** Has the server cancel it. Ends the session where that does not help in time. */
  async #cancel(): Promise<void> {
    const { statements, asked } = this.#request
    const late = new SlocketError('ERR_SLOCKET_UNREACHABLE', 'PostgreSQL does not cancel the wait')
    const timer = setTimeout(() => this.#session.end(late), CANCEL_MS)
    try {
      // Bound: the timer. Again, since the statement may not have reached the server yet. One that does not wait needs no call.
      for (let pauseMs = 1; asked.wait && !this.#isSettled && !this.#session.hasEnded; pauseMs *= 2) {
        await this.#parts.control.run(statements.cancel(this.#session.pid), 'cancel a wait', this.#untilOver())
        await sleep(pauseMs)
      }
    } catch (error) {
      if (!this.#isSettled) this.#session.end(error as Error)
    } finally {
      clearTimeout(timer)
    }
  }
}
