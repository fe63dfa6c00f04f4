/**
 * Watches the sessions that wait. They are busy, so they can't run a query themselves. In each heartbeat, most of them send a few bytes, so that no proxy closes their
 * connections as idle, and another session checks whether the server still has them in its queue. If the server doesn't, and the session gets no answer either, its
 * connection was cut.
 */
import { SlocketError } from '../../errors.ts'
import type { Control } from './control.ts'
import type { Settings } from './options.ts'
import type { Request } from './request.ts'
import { isUnanswered } from './server-error.ts'
import type { Session } from './session.ts'
import { setInterval, clearInterval } from '../../real-time.ts'

interface Watched {
  readonly session: Session
  /**
   * Whether it sends bytes. Not for permits, nor through a pooler: the server would read the bytes when the statement is done, and stop measuring how long the session is idle
   * (`idle_session_timeout` and `idle_in_transaction_session_timeout` start after an answer and end with any byte: `PostgresMain` in src/backend/tcop/postgres.c). So a process
   * that is stopped by then would keep the lock.
   */
  readonly isTouched: boolean
  /** Since when the session should have been seen in the queue, or have got an answer. Undefined until the first check. */
  unseenSinceMs: number | undefined
}

export class Watch {
  readonly #control: Control
  readonly #settings: Settings
  readonly #now: () => number
  readonly #waiting = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #isLooking = false

  constructor(control: Control, settings: Settings, now: () => number) {
    this.#control = control
    this.#settings = settings
    this.#now = now
  }

  /** Watches a session from the beginning of its wait. Returns a function that ends this. */
  add(session: Session, { asked }: Request): () => void {
    if (!asked.wait) return () => undefined
    const isTouched = asked.claim.kind !== 'permit' && this.#settings.pooler === undefined
    const watched: Watched = { session, isTouched, unseenSinceMs: undefined }
    this.#waiting.add(watched)
    this.#timer ??= setInterval(() => void this.#lookOnce(), this.#settings.heartbeatMs).unref()
    return () => {
      this.#waiting.delete(watched)
    }
  }

  async #lookOnce(): Promise<void> {
    if (this.#waiting.size === 0) {
      // Stops here, not when the last session leaves: most waits are shorter than a heartbeat, and the next wait comes soon.
      clearInterval(this.#timer)
      this.#timer = undefined
      this.#failures = 0
      return
    }
    for (const { session, isTouched } of this.#waiting) if (isTouched) session.touch()
    if (this.#isLooking) return
    this.#isLooking = true
    await this.#look()
    this.#isLooking = false
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const fromMs = this.#now()
    const seen = new Set<number>()
    const among = [...this.#waiting]
    const pids = among.map(({ session }) => session.pid)
    const statement = `SELECT pid::text AS pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid IN (${pids.join(', ')})`
    try {
      for (const { pid } of await this.#control.run(statement, 'look for waiters')) seen.add(Number(pid))
      this.#failures = 0
    } catch (error) {
      // If the server has answered with an error (it has no connection left, or is shutting down), this says nothing about the sessions that wait.
      if (!isUnanswered(error)) return
      this.#failures += 1
      // The first failure may only mean that the control session has ended. The second one was in a new session.
      if (this.#failures < 2) return
      // Leaves out sessions whose wait has ended meanwhile: they hold a lock, or serve another request by now.
      for (const watched of among) if (this.#waiting.has(watched)) watched.session.end(error as Error)
      return
    }
    for (const watched of among) {
      if (seen.has(watched.session.pid)) watched.unseenSinceMs = this.#now()
      watched.unseenSinceMs ??= fromMs
      if (this.#waiting.has(watched) && fromMs - watched.unseenSinceMs > this.#settings.patienceMs) {
        watched.session.end(
          new SlocketError('ERR_SLOCKET_UNREACHABLE', 'PostgreSQL no longer has the request in its queue'),
        )
      }
    }
  }
}
