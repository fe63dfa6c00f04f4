/** The sessions for locks, one for each that is held or waited for: at most so many, and kept for a while after use. */
import type { Session } from './session.ts'

interface Idle {
  readonly session: Session
  readonly timer: NodeJS.Timeout
  readonly stopListening: () => void
}

export class Sessions {
  readonly #open: () => Promise<Session>
  readonly #most: number
  /** Called when one more could be had. */
  readonly #onFree: () => void
  /** The last used is the last one. */
  readonly #idle: Idle[] = []
  /** Those in use, and those that are being opened. */
  #used = 0

  constructor(open: () => Promise<Session>, most: number, onFree: () => void) {
    this.#open = open
    this.#most = most
    this.#onFree = onFree
  }

  get hasRoom(): boolean {
    return this.#used < this.#most
  }

  /** One that nobody else uses. To be asked for only where there is room; to be given back, once, by {@link giveBack}. */
  async take(): Promise<Session> {
    this.#used += 1
    const idle = this.#idle.pop()
    if (idle !== undefined) {
      clearTimeout(idle.timer)
      idle.stopListening()
      return idle.session
    }
    try {
      return await this.#open()
    } catch (error) {
      this.#becomeFree()
      throw error
    }
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
