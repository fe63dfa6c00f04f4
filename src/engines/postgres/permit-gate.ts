/**
 * Takes a request for permits through the gate of its lock (permit-keys.ts).
 *
 *  1. The request listens before it looks again, and a holder releases its permits before it looks for waiters. So no release is missed.
 *  2. A holder that has died notifies nobody. So the request also looks once per heartbeat; the answer shows that the server is alive.
 *  3. Between two looks, the session is idle and has no snapshot. The request keeps the process alive. If the process is stopped, the server ends the session, and so
 *     opens the gate.
 */
import type { Claim } from '../../core/claim.ts'
import { describeClaim } from '../../core/claim.ts'
import { SlocketError } from '../../errors.ts'
import type { AcquireParts } from './acquire.ts'
import type { Row } from './client.ts'
import { keepAlive } from '../keep-alive.ts'
import type { PermitStatements } from './permit-statements.ts'
import type { Request } from './request.ts'
import type { Session } from './session.ts'
import { clearTimeout, monotonicNowMs, setTimeout, sleep } from '../../real-time.ts'

/** How long the server may take to end a wait that was cancelled, in ms. After that, the session is ended. */
export const CANCEL_MS = 1000
const LONGEST_PAUSE_MS = 50

export interface AtGate {
  readonly session: Session
  readonly request: Request
  readonly statements: PermitStatements
  readonly parts: AcquireParts
  /** When it began to wait, by the monotonic clock. */
  readonly sinceMs: number
}

/** @param first the row of the first statement. @returns the last row. Its `token` is null if nothing is held. @throws as `Session.run` */
export async function passGate(first: Row, at: AtGate): Promise<Row> {
  if (first['state'] === 'full' && at.request.asked.wait) return await waitForRoom(first, at)
  return first['state'] === 'passing' ? await tryAgain(first, at) : first
}

/** Repeats a try: another request is at the gate, and in a moment it will hold permits or wait for room. Bound: a heartbeat. */
async function tryAgain(first: Row, { session, request, statements, parts }: AtGate): Promise<Row> {
  const doing = `try the lock '${statements.name}'`
  const fromMs = monotonicNowMs()
  let row = first
  for (
    let pauseMs = 1;
    row['state'] === 'passing' && !request.isCancelled;
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  ) {
    if (monotonicNowMs() - fromMs > parts.settings.heartbeatMs) break
    await sleep(pauseMs)
    ;[row] = (await session.run(statements.take(false, session.canFlush), { doing, isRecurring: true })) as [Row]
  }
  return row
}

async function waitForRoom(first: Row, { session, request, statements, parts, sinceMs }: AtGate): Promise<Row> {
  const doing = `take the lock '${statements.name}'`
  const waitedMs = (): number => Math.round(monotonicNowMs() - sinceMs)
  const bell = new Bell()
  const stopKeepAlive = keepAlive()
  const stopListening = session.onEnd(() => bell.ring())
  session.onNotified = () => bell.ring()
  let timer: NodeJS.Timeout | undefined
  request.onCancelled = () => {
    bell.ring()
    timer = setTimeout(() => session.end(notCancelledInTime()), CANCEL_MS)
  }
  if (request.isCancelled) request.onCancelled()
  request.becomeQueued()
  try {
    await session.run(statements.listen(waitedMs()), { doing })
    // Bound: the request's cancellation, and the end of the session.
    while (!request.isCancelled) {
      bell.hasRung = false
      const [row] = await session.run(statements.takeAgain(waitedMs(), session.canFlush), { doing })
      if (row!['state'] === 'room') {
        stopNotifying(session, statements)
        return row!
      }
      await bell.rings(parts.settings.heartbeatMs)
    }
    await parts.scope.end(session)
    stopNotifying(session, statements)
    return { ...first, token: null }
  } finally {
    clearTimeout(timer)
    stopKeepAlive()
    stopListening()
    session.onNotified = undefined
    request.onCancelled = undefined
  }
}

/** Stops listening. The session's next statement waits for this one. */
function stopNotifying(session: Session, statements: PermitStatements): void {
  session
    .run(statements.unlisten(), { doing: 'stop listening', isBackground: true })
    .catch((error: unknown) => session.end(error as Error))
}

class Bell {
  hasRung: boolean = false
  #wake: (() => void) | undefined

  ring(): void {
    this.hasRung = true
    this.#wake?.()
  }

  /** Resolves when it rings, at once if it has rung, and after `ms` at most. */
  async rings(ms: number): Promise<void> {
    if (this.hasRung) return
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, ms)
    })
    this.#wake = undefined
    clearTimeout(timer)
  }
}

/** The error if the server has not ended a wait within {@link CANCEL_MS}. */
export function notCancelledInTime(): SlocketError {
  return new SlocketError('ERR_SLOCKET_UNREACHABLE', 'PostgreSQL did not cancel the wait in time')
}

/** The error for a lock that is in use by the other kind of claim. */
export function mismatch(name: string, claim: Claim): SlocketError {
  const others = claim.kind === 'permit' ? 'exclusive or shared claims' : 'permits'
  const message =
    `the lock '${name}' was asked for with ${describeClaim(claim)}, but is in use with ${others}: ` +
    'permits do not mix with exclusive and shared claims; use the same kind everywhere, or another lock'
  return new SlocketError('ERR_SLOCKET_CLAIM_MISMATCH', message)
}
