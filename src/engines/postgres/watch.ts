/**
 * Watches over sessions that wait: they are busy, and cannot be asked themselves. Most have a few bytes sent in each heartbeat, so that no proxy closes their
 * connections as idle. Another session looks whether the server still has them in its
 * queue. One that it has not, and that has heard nothing, has been cut off.
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
   * Whether bytes are sent. Not for permits, nor through a pooler: the server reads them when the wait is over, and then no longer counts for how long the session is idle
   * (`idle_session_timeout` and `idle_in_transaction_session_timeout` start after an answer, and end with any byte: `PostgresMain` in src/backend/tcop/postgres.c). So a process
   * that is stopped by then would keep the lock.
   */
  readonly isTouched: boolean
  /** Since when it should have been seen to wait, or have heard. Undefined until it has been looked for. */
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

  /** From when its wait begins. Returns what ends it. */
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
      // Here, and not when the last one leaves: most have left long before the first look, and the next ones come soon.
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
      for (const { pid } of await this.#control.run(statement, 'look who waits')) seen.add(Number(pid))
      this.#failures = 0
    } catch (error) {
      // Where the server has answered, that it has no connection to spare, say, or is about to shut down, nothing is known of those who wait.
      if (!isUnanswered(error)) return
      this.#failures += 1
      // It may be this very session that has ended. The second time another one was tried.
      if (this.#failures < 2) return
      // Not one that has been granted meanwhile: it holds, or is somebody else's by now.
      for (const watched of among) if (this.#waiting.has(watched)) watched.session.end(error as Error)
      return
    }
    for (const watched of among) {
      if (seen.has(watched.session.pid)) watched.unseenSinceMs = this.#now()
      watched.unseenSinceMs ??= fromMs
      if (this.#waiting.has(watched) && fromMs - watched.unseenSinceMs > this.#settings.patienceMs) {
        watched.session.end(new SlocketError('ERR_SLOCKET_UNREACHABLE', 'PostgreSQL no longer knows of the wait'))
      }
    }
  }
}
