/** Runs queries and cancels waits, in a session that never waits for a lock and never holds one. */
import { onAbort } from '../../requests/on-abort.ts'
import { SlocketError } from '../../errors.ts'
import type { Row } from './client.ts'
import type { OpenSession, Session } from './session.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** How long the session stays open after its last use, in ms, and in heartbeats: while a request waits, it is used once per heartbeat. */
const LINGER_MS = 1000
const LINGER_HEARTBEATS = 1.5

interface Opened {
  readonly session: Promise<Session>
  /** Aborts when no caller waits for it any more, so that connecting can stop. */
  readonly unwanted: AbortController
  /** How many callers have asked for it and have not cancelled. */
  wanted: number
}

export class Control {
  readonly #open: OpenSession
  readonly #lingerMs: number
  #opened: Opened | undefined
  #running = 0
  #timer: NodeJS.Timeout | undefined

  constructor(open: OpenSession, heartbeatMs: number) {
    this.#open = open
    this.#lingerMs = Math.max(LINGER_MS, LINGER_HEARTBEATS * heartbeatMs)
  }

  /**
   * Runs a statement. Doesn't keep the process alive.
   *
   * @param signal aborts when the caller no longer waits.
   * @throws as `Session.run`; the error of opening the session.
   */
  async run(text: string, doing: string, signal?: AbortSignal): Promise<Row[]> {
    clearTimeout(this.#timer)
    this.#running += 1
    try {
      const session = await this.#take(signal)
      return await session.run(text, { doing, isBackground: true })
    } finally {
      this.#running -= 1
      if (this.#running === 0) this.#timer = setTimeout(() => this.#close(), this.#lingerMs).unref()
    }
  }

  /** Returns the open session, or opens one. If the session has ended without anybody noticing, its next statement fails, and so does that caller. */
  async #take(signal: AbortSignal | undefined): Promise<Session> {
    // Bound: repeats only if the opening that it waited for had already been cancelled by all its other callers.
    for (;;) {
      if (signal?.aborted === true) throw new SlocketError('ERR_SLOCKET_UNREACHABLE', 'the caller no longer waits')
      const opened = (this.#opened ??= this.#begin())
      opened.wanted += 1
      const stopListening =
        signal &&
        onAbort(signal, () => {
          opened.wanted -= 1
          if (opened.wanted === 0) opened.unwanted.abort()
        })
      try {
        return await opened.session
      } catch (error) {
        // RACE: the last other caller cancelled the opening before this caller joined it.
        if (!opened.unwanted.signal.aborted) throw error
      } finally {
        stopListening?.()
      }
    }
  }

  #begin(): Opened {
    const unwanted = new AbortController()
    const opened = { session: this.#open(unwanted.signal), unwanted, wanted: 0 }
    const forget = (): void => {
      if (this.#opened === opened) this.#opened = undefined
    }
    opened.session.then((session) => session.onEnd(forget), forget)
    return opened
  }

  #close(): void {
    const closing = this.#opened
    this.#opened = undefined
    closing?.session.then(
      (session) => session.close(),
      () => undefined,
    )
  }
}
