/** A held lock, with the session that holds it. */
import type { Grant } from '../../requests/engine.ts'
import { SlocketError } from '../../errors.ts'
import { Heartbeat } from './heartbeat.ts'
import type { Session } from './session.ts'
import type { Statements } from './statements.ts'
import { setInterval, clearInterval, monotonicNowMs } from '../../real-time.ts'

export interface GrantParts {
  readonly token: bigint
  readonly statements: Statements
  readonly session: Session
  /** Whether a transaction holds it: see scope.ts. */
  readonly isTransaction: boolean
  readonly everyMs: number
  readonly patienceMs: number
  readonly now: () => number
  /** Called when the session no longer holds anything, or has ended. */
  readonly onFree: () => void
}

/** How often to check whether a request waits, in ms. */
const WANTED_MS = 1000

export class PostgresGrant implements Grant {
  readonly token: bigint
  readonly downgrade: (() => Promise<void>) | undefined
  readonly recovered = false
  readonly #parts: GrantParts
  readonly #sinceMs: number
  readonly #heartbeat: Heartbeat
  #isReleased = false
  #isDowngraded = false
  #downgrading: Promise<void> | undefined
  #loss: Error | undefined
  #onLost: ((error: Error) => void) | undefined
  #wantedTimer: NodeJS.Timeout | undefined

  constructor(parts: GrantParts) {
    const { session, everyMs, patienceMs, now, statements } = parts
    // It is only shown to people, so a suspend doesn't matter.
    this.#sinceMs = monotonicNowMs()
    this.#parts = parts
    this.token = parts.token
    // A transaction keeps its locks until its end.
    this.downgrade = parts.isTransaction ? undefined : () => this.#downgradeOnce()
    const onLost = (error: Error): void => this.#lose(error)
    const statement = (): string => statements.signOfLife(this.#heldMs)
    this.#heartbeat = new Heartbeat({ session, everyMs, patienceMs, now, statement, onLost })
  }

  isHeld(): boolean {
    return !this.#isReleased && this.#heartbeat.check()
  }

  onLost(listener: (error: Error) => void): void {
    this.#onLost = listener
    if (this.#loss !== undefined) listener(this.#loss)
  }

  onWanted(listener: () => void): void {
    const look = async (): Promise<void> => {
      const { session, statements } = this.#parts
      try {
        const rows = await session.run(statements.wanted(this.#heldMs), {
          doing: 'look for waiters',
          isBackground: true,
        })
        if (this.#wantedTimer === undefined || rows.length === 0) return
        this.#stopLooking()
        listener()
      } catch {
        // If the session has ended, the heartbeat reports it.
      }
    }
    this.#wantedTimer = setInterval(() => void look(), WANTED_MS).unref()
    void look()
  }

  /** A failure ends the session, because it is then unknown what the session holds. */
  async #downgradeOnce(): Promise<void> {
    if (this.#isDowngraded || this.#parts.statements.isShared) return
    this.#downgrading ??= this.#downgrade().finally(() => (this.#downgrading = undefined))
    await this.#downgrading
  }

  async #downgrade(): Promise<void> {
    const { session, statements } = this.#parts
    const doing = `downgrade the lock '${statements.name}'`
    try {
      const [row] = await session.run(statements.downgrade(this.#heldMs), { doing })
      if (row?.['unlocked'] !== 'true' || row['pid'] !== String(session.pid)) {
        throw new SlocketError('ERR_SLOCKET_LOST', 'the session did not hold its lock')
      }
      this.#isDowngraded = true
    } catch (error) {
      session.end(error as Error)
      throw error
    }
  }

  async release(): Promise<void> {
    if (this.#isReleased || this.#loss !== undefined) return
    this.#isReleased = true
    this.#heartbeat.stop()
    this.#stopLooking()
    const { session, statements, isTransaction, onFree } = this.#parts
    const { name } = statements
    try {
      await this.#downgrading
      const doing = `release the lock '${name}'`
      const statement = this.#isDowngraded ? statements.releaseShared() : statements.release()
      const values = statements.releaseValues
      const [row] = await session.run(statement, { doing, isRecurring: true, ...(values && { values }) })
      if (isTransaction) session.pid = 0
      if (row?.['unlocked'] !== 'true')
        session.end(new SlocketError('ERR_SLOCKET_LOST', 'the session did not hold its lock'))
    } catch (error) {
      session.end(error as Error)
      const message = `the lock '${name}' could not be released: ${(error as Error).message}. Its connection was closed, and the server frees the lock when it notices`
      throw new SlocketError('ERR_SLOCKET_NOT_RELEASED', message, { cause: error })
    } finally {
      onFree()
    }
  }

  #lose(cause: Error): void {
    this.#stopLooking()
    const message = `the lock '${this.#parts.statements.name}' is lost: ${cause.message}`
    this.#loss = new SlocketError('ERR_SLOCKET_LOST', message, { cause })
    this.#parts.onFree()
    this.#onLost?.(this.#loss)
  }

  get #heldMs(): number {
    return Math.round(monotonicNowMs() - this.#sinceMs)
  }

  #stopLooking(): void {
    clearInterval(this.#wantedTimer)
    this.#wantedTimer = undefined
  }
}
