/** The one session that never waits for a lock and never holds one: it looks, and it cancels waits. */
import { onAbort } from '../../requests/on-abort.ts'
import { SlocketError } from '../../errors.ts'
import type { Row } from './client.ts'
import type { OpenSession, Session } from './session.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** How long it stays after its last use, in ms, and in heartbeats: while somebody waits, it is used once in each. */
const LINGER_MS = 1000
const LINGER_HEARTBEATS = 1.5

interface Opened {
  readonly session: Promise<Session>
  /** Aborts when nobody wants it any more: then it needs not be connected. */
  readonly unwanted: AbortController
  /** How many have asked for it and have not cancelled that. */
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

  /** Does not keep the process alive. @param signal aborts when this caller does not wait for it any more. @throws as Session.run; and what hinders it to open one. */
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

  /** One that ended unnoticed is noticed by who uses it next; that one's failure is the caller's. */
  async #take(signal: AbortSignal | undefined): Promise<Session> {
    // Bound: it goes on only after an opening that all others have cancelled, and that had been cancelled when it was joined.
    for (;;) {
      if (signal?.aborted === true) throw new SlocketError('ERR_SLOCKET_UNREACHABLE', 'nobody waits for it any more')
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
        // RACE: the last one but this one has cancelled it, before this one came.
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
