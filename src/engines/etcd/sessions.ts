/** The session of an engine: one at a time. It is opened when it is needed, and after a loss anew. */
import type { Cancellation } from '../../contract/cancellation.ts'
import { keepAlive } from './keep-alive.ts'
import { Session } from './session.ts'
import type { SessionParts } from './session.ts'

export class Sessions {
  readonly #parts: SessionParts
  #current: Session | undefined
  #opening: Promise<Session> | undefined

  constructor(parts: Omit<SessionParts, 'onOver'>) {
    this.#parts = { ...parts, onOver: (session) => this.#onOver(session) }
  }

  /**
   * Undefined where the request was cancelled first.
   *
   * @throws as `EtcdClient.ask`.
   */
  current(cancellation: Cancellation): Session | Promise<Session | undefined> {
    const session = this.#current
    return session?.seemsAlive() === true ? session : this.#wait(cancellation)
  }

  async #wait(cancellation: Cancellation): Promise<Session | undefined> {
    if (cancellation.cancelled) return undefined
    this.#opening ??= this.#open()
    const letGo = keepAlive()
    let onCancelled: (() => void) | undefined
    const cancelled = new Promise<undefined>((resolve) => {
      onCancelled = () => resolve(undefined)
      cancellation.listen(onCancelled)
    })
    try {
      return await Promise.race([this.#opening, cancelled])
    } finally {
      cancellation.stopListening(onCancelled!)
      letGo()
    }
  }

  async #open(): Promise<Session> {
    try {
      this.#current = await Session.open(this.#parts)
      return this.#current
    } finally {
      this.#opening = undefined
    }
  }

  #onOver(session: Session): void {
    if (this.#current === session) this.#current = undefined
  }
}
