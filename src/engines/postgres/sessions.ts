/** The sessions for locks, one for each that is held or waited for: at most so many, and kept for a while after use. */
import type { Settings } from './options.ts'
import type { OpenSession, Session } from './session.ts'
import { SIGN_OF_LIFE } from './statements.ts'

interface Idle {
  readonly session: Session
  readonly timer: NodeJS.Timeout
  readonly stopListening: () => void
}

export class Sessions {
  readonly #open: OpenSession
  readonly #settings: Settings
  /** Called when one more could be had. */
  readonly #onFree: () => void
  /** The last used is the last one. */
  readonly #idle: Idle[] = []
  /** Those in use, and those that are being opened. */
  #used = 0

  constructor(open: OpenSession, settings: Settings, onFree: () => void) {
    this.#open = open
    this.#settings = settings
    this.#onFree = onFree
  }

  get hasRoom(): boolean {
    return this.#used < this.#settings.maxConnections
  }

  /** One that nobody else uses. To be asked for only where there is room; to be given back, once, by {@link giveBack}. */
  async take(signal: AbortSignal | undefined): Promise<Session> {
    this.#used += 1
    try {
      return (await this.#reuse()) ?? (await this.#open(signal))
    } catch (error) {
      this.#becomeFree()
      throw error
    }
  }

  async #reuse(): Promise<Session | undefined> {
    const session = this.#pop()
    if (session === undefined || session.silentMs <= this.#settings.heartbeatMs) return session
    // A router may have forgotten the connection, and told nobody. Now nothing is asked of it yet, and another one will do.
    if (await session.answers(SIGN_OF_LIFE)) return session
    // And the others.
    for (let other = this.#pop(); other !== undefined; other = this.#pop()) other.close()
    return undefined
  }

  #pop(): Session | undefined {
    const idle = this.#idle.pop()
    clearTimeout(idle?.timer)
    idle?.stopListening()
    return idle?.session
  }

  /** @param session holds nothing and runs nothing, or has ended. */
  giveBack(session: Session, lingerMs: number): void {
    if (!session.hasEnded && (lingerMs === 0 || session.isWornOut)) session.close()
    if (!session.hasEnded) {
      const forget = (): void => {
        const index = this.#idle.indexOf(idle)
        if (index !== -1) this.#idle.splice(index, 1)
      }
      const timer = setTimeout(() => {
        forget()
        stopListening()
        session.close()
      }, lingerMs).unref()
      const stopListening = session.onEnd(() => {
        clearTimeout(timer)
        forget()
      })
      const idle = { session, timer, stopListening }
      this.#idle.push(idle)
    }
    this.#becomeFree()
  }

  #becomeFree(): void {
    this.#used -= 1
    this.#onFree()
  }
}
