/**
 * The sessions for locks, one for each that is held or waited for: at most so many, and kept for a while after use.
 *
 * The server may have fewer connections for us than `maxConnections`: its own limit, or that of the role or the database. Then whoever asks waits for one of our
 * sessions to come free, in order, as long as there are any. If there are none, it is refused: what others do with the server's connections isn't ours to wait for.
 */
import { onAbort } from '../../requests/on-abort.ts'
import { systemCode } from '../../errors.ts'
import type { Settings } from './options.ts'
import type { Scope } from './scope.ts'
import { TOO_MANY_CONNECTIONS } from './server-error.ts'
import type { OpenSession, Session } from './session.ts'
import { setTimeout, clearTimeout, setInterval, clearInterval } from '../../real-time.ts'

interface Idle {
  readonly session: Session
  readonly timer: NodeJS.Timeout
  readonly stopListening: () => void
}

/** One that the server has refused a connection. */
interface Starved {
  /** The order in which they came. */
  readonly number: number
  /** With a session, or to try again. */
  readonly resume: (session: Session | undefined) => void
}

export interface SessionsParts {
  readonly open: OpenSession
  readonly settings: Settings
  readonly scope: Scope
  readonly now: () => number
  /** Called when one more could be had. */
  readonly onFree: () => void
}

export class Sessions {
  readonly #open: OpenSession
  readonly #settings: Settings
  readonly #scope: Scope
  readonly #now: () => number
  /** Called when one more could be had. */
  readonly #onFree: () => void
  /** The last used is the last one. */
  readonly #idle: Idle[] = []
  /** Those in use, those that are being opened, and those that are waited for. */
  #used = 0
  #taken = 0
  #starved: Starved[] = []
  #retryTimer: NodeJS.Timeout | undefined
  #opening = 0
  /** Those whose connection is not closed yet. */
  #connected = 0
  /** When the last connection was closed. */
  #closedMs = -Infinity

  constructor({ open, settings, scope, now, onFree }: SessionsParts) {
    this.#open = open
    this.#settings = settings
    this.#scope = scope
    this.#now = now
    this.#onFree = onFree
  }

  get hasRoom(): boolean {
    return this.hasRoomFor(1)
  }

  /** Whether so many more could be had. */
  hasRoomFor(number: number): boolean {
    return this.#used + number <= this.#settings.maxConnections && this.#starved.length === 0
  }

  /** Whether the server has refused more connections than there are. */
  get areLimitedByServer(): boolean {
    return this.#starved.length > 0
  }

  /**
   * One that nobody else uses. To be asked for only if there is room; to be given back, once, by {@link giveBack}.
   *
   * @param wait whether to wait for one of ours if the server has no more connections.
   * @throws as `OpenSession`.
   */
  async take(wait: boolean, signal: AbortSignal | undefined): Promise<Session> {
    this.#used += 1
    this.#taken += 1
    const number = this.#taken
    try {
      // Bound: see #canComeFree.
      for (;;) {
        const session = (await this.#reuse()) ?? (await this.#openOrWait(number, wait, signal))
        if (session === undefined) continue
        await this.#scope.begin(session)
        return session
      }
    } catch (error) {
      this.#becomeFree()
      throw error
    }
  }

  async #reuse(): Promise<Session | undefined> {
    const session = this.#pop()
    if (session === undefined || session.silentMs <= this.#settings.heartbeatMs) return session
    // A router may have forgotten the connection, and told nobody. Now nothing is asked of it yet, and another one will do.
    if (await session.answers(this.#scope.signOfLife)) return session
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

  /** A new one, or one of ours that came free, if the server has no more connections. Undefined: it may be that there are some again. */
  async #openOrWait(number: number, wait: boolean, signal: AbortSignal | undefined): Promise<Session | undefined> {
    this.#opening += 1
    let session: Session
    try {
      session = await this.#open(signal)
    } catch (error) {
      this.#opening -= 1
      const isLimit = systemCode((error as Error).cause) === TOO_MANY_CONNECTIONS
      if (wait && isLimit && signal?.aborted !== true) {
        // Given back meanwhile.
        if (this.#idle.length > 0) return undefined
        if (this.#canComeFree) return await this.#nextFree(number, signal)
      }
      // Those who wait for this one to be opened, maybe.
      this.#resumeStarved()
      throw error
    }
    this.#opening -= 1
    this.#connected += 1
    session.onClosed = () => {
      this.#connected -= 1
      this.#closedMs = this.#now()
      this.#resumeStarved()
    }
    return session
  }

  /** Whether one of ours will come free; or has just been closed, which the server may not have noticed yet. */
  get #canComeFree(): boolean {
    const isRecent = this.#now() - this.#closedMs < this.#settings.patienceMs
    return this.#connected + this.#opening > 0 || isRecent
  }

  /** Undefined: it may be that there are connections again. @throws if it is cancelled. */
  #nextFree(number: number, signal: AbortSignal | undefined): Promise<Session | undefined> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#starved = this.#starved.filter((other) => other !== starved)
        stopListening?.()
        if (this.#starved.length === 0) {
          clearInterval(this.#retryTimer)
          this.#retryTimer = undefined
          this.#onFree()
        }
      }
      const starved: Starved = {
        number,
        resume: (session) => {
          leave()
          resolve(session)
        },
      }
      const stopListening =
        signal &&
        onAbort(signal, () => {
          leave()
          reject(signal.reason as Error)
        })
      this.#starved = [...this.#starved, starved].sort((a, b) => a.number - b.number)
      this.#retryTimer ??= setInterval(() => this.#resumeStarved(), this.#settings.heartbeatMs).unref()
    })
  }

  /** The first one tries again; all, if there is nothing to wait for any more. */
  #resumeStarved(): void {
    const among = this.#canComeFree ? this.#starved.slice(0, 1) : this.#starved
    for (const { resume } of among) resume(undefined)
  }

  /** @param session holds nothing and runs nothing, or has ended. In front of a pooler, its transaction may still be open. */
  giveBack(session: Session, lingerMs: number): void {
    if (!this.#scope.isTransaction || session.pid === 0 || session.hasEnded)
      return this.#giveBackIdle(session, lingerMs)
    this.#scope
      .end(session)
      .catch((error: unknown) => session.end(error as Error))
      .finally(() => this.#giveBackIdle(session, lingerMs))
  }

  #giveBackIdle(session: Session, lingerMs: number): void {
    const isUsable = !session.hasEnded && !session.isWornOut
    if (isUsable && this.#starved.length > 0) this.#starved[0]!.resume(session)
    else if (isUsable && lingerMs > 0) this.#keep(session, lingerMs)
    else session.close()
    this.#becomeFree()
  }

  #keep(session: Session, lingerMs: number): void {
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

  #becomeFree(): void {
    this.#used -= 1
    this.#onFree()
  }
}
