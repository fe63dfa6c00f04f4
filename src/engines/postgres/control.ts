/** The one session that never waits for a lock and never holds one: it looks, and it calls waits off. */
import type { Row } from './client.ts'
import type { OpenSession, Session } from './session.ts'

/** How long it stays after its last use, in ms, and in heartbeats: while somebody waits, it is used once in each. */
const LINGER_MS = 1000
const LINGER_HEARTBEATS = 1.5

export class Control {
  readonly #open: OpenSession
  readonly #lingerMs: number
  #session: Promise<Session> | undefined
  #running = 0
  #timer: NodeJS.Timeout | undefined

  constructor(open: OpenSession, heartbeatMs: number) {
    this.#open = open
    this.#lingerMs = Math.max(LINGER_MS, LINGER_HEARTBEATS * heartbeatMs)
  }

  /** Does not keep the process alive. @param signal aborts when nobody waits for it any more. @throws as Session.run; and what hinders it to open one. */
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
    if (this.#session === undefined) {
      const opening = this.#open(signal)
      this.#session = opening
      const forget = (): void => {
        if (this.#session === opening) this.#session = undefined
      }
      opening.then((session) => session.onEnd(forget), forget)
    }
    return await this.#session
  }

  #close(): void {
    const closing = this.#session
    this.#session = undefined
    closing?.then(
      (session) => session.close(),
      () => undefined,
    )
  }
}
