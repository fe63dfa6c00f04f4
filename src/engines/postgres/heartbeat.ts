/**
 * Watches a session that holds a lock. The lock is lost when the session has ended, or when nothing that was sent within the last
 * `patienceMs` has been answered; the server keeps the lock for longer than that. The time of sending counts, not the time of the answer.
 */
import { SlocketError } from '../../errors.ts'
import type { Session } from './session.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

export interface HeartbeatParts {
  readonly session: Session
  readonly everyMs: number
  readonly patienceMs: number
  readonly now: () => number
  /** Returns the statement to send. Its result must have the `pid` of the server's process. */
  readonly statement: () => string
  /** Called once, after the session has ended. */
  readonly onLost: (error: Error) => void
}

export class Heartbeat {
  readonly #parts: HeartbeatParts
  readonly #stopListening: () => void
  #timer: NodeJS.Timeout | undefined
  #isAsking = false
  #isOver = false

  constructor(parts: HeartbeatParts) {
    this.#parts = parts
    this.#stopListening = parts.session.onEnd((error) => {
      if (this.#isOver) return
      this.stop()
      parts.onLost(error)
    })
    if (!this.#isOver) this.#schedule()
  }

  /** Whether the session is known to have been alive within its patience. If not, `onLost` has been called. */
  check(): boolean {
    const { session, now, patienceMs } = this.#parts
    if (this.#isOver) return false
    if (now() - session.aliveAtMs < patienceMs) return true
    session.end(new SlocketError('ERR_SLOCKET_LOST', `PostgreSQL did not answer within ${patienceMs} ms`))
    return false
  }

  /** Stops watching: nothing is held any more. */
  stop(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#stopListening?.()
  }

  #schedule(): void {
    const { session, everyMs, patienceMs } = this.#parts
    const leftMs = (this.#isAsking ? patienceMs : everyMs) - session.silentMs
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, Math.min(leftMs, patienceMs))).unref()
  }

  #tick(): void {
    if (!this.check()) return
    if (!this.#isAsking) void this.#ask()
    this.#schedule()
  }

  async #ask(): Promise<void> {
    const { session, statement } = this.#parts
    this.#isAsking = true
    await session.answers(statement())
    this.#isAsking = false
    if (this.#isOver) return
    clearTimeout(this.#timer)
    this.#schedule()
  }
}
