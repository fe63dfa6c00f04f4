/** The session of an engine, one at a time. It is opened on demand, and again after a loss. */
import type { Cancellation } from '../../requests/cancellation.ts'
import { isSlocketError } from '../../errors.ts'
import { keepAlive } from '../keep-alive.ts'
import { Session } from './session.ts'
import type { SessionParts } from './session.ts'
import { monotonicNowMs } from '../../real-time.ts'

interface Opening {
  readonly session: Promise<Session>
  /** When its patience began. */
  readonly sinceMs: number
}

export class Sessions {
  readonly #parts: SessionParts
  #current: Session | undefined
  #opening: Opening | undefined

  constructor(parts: Omit<SessionParts, 'onOver'>) {
    this.#parts = { ...parts, onOver: (session) => this.#onOver(session) }
  }

  /**
   * Undefined if the request was cancelled first.
   *
   * @param sinceMs when it began to wait, by `monotonicNowMs`.
   * @throws as `EtcdClient.ask`.
   */
  current(cancellation: Cancellation, sinceMs: number): Session | Promise<Session | undefined> {
    const session = this.#current
    return session?.seemsAlive() === true ? session : this.#wait(cancellation, sinceMs)
  }

  async #wait(cancellation: Cancellation, sinceMs: number): Promise<Session | undefined> {
    if (cancellation.cancelled) return undefined
    const stopKeepAlive = keepAlive()
    let onCancelled: (() => void) | undefined
    const cancelled = new Promise<undefined>((resolve) => {
      onCancelled = () => resolve(undefined)
      cancellation.listen(onCancelled)
    })
    try {
      return await Promise.race([this.#openFor(cancellation, sinceMs), cancelled])
    } finally {
      cancellation.stopListening(onCancelled!)
      stopKeepAlive()
    }
  }

  /** Waits for the opening under way. If that fails, and began before this request was made, this request and all later ones share a new opening. */
  async #openFor(cancellation: Cancellation, sinceMs: number): Promise<Session> {
    const opening = this.#begin(sinceMs)
    try {
      return await opening.session
    } catch (error) {
      const isEnough = opening.sinceMs >= sinceMs || !isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')
      if (isEnough || cancellation.cancelled) throw error
      return await this.#begin(monotonicNowMs()).session
    }
  }

  #begin(sinceMs: number): Opening {
    this.#opening ??= { session: this.#open(sinceMs), sinceMs }
    return this.#opening
  }

  async #open(sinceMs: number): Promise<Session> {
    try {
      this.#current = await Session.open(this.#parts, sinceMs)
      return this.#current
    } finally {
      this.#opening = undefined
    }
  }

  #onOver(session: Session): void {
    if (this.#current === session) this.#current = undefined
  }
}
