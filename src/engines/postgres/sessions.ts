/**
 * The pool of sessions for locks: one for each lock that is held or waited for, up to `maxConnections`. They stay open for a while after use.
 *
 * The server, the role or the database may allow fewer connections than `maxConnections`. A request then waits, in order, until a session of this pool is released. If the
 * pool has no session, the request is rejected: nobody knows when other programs will close their connections.
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

/** A request that the server has refused a connection. */
interface Starved {
  /** Its place in the order of arrival. */
  readonly number: number
  /** Continues it, with a session, or without one, to try again. */
  readonly resume: (session: Session | undefined) => void
}

export interface SessionsParts {
  readonly open: OpenSession
  readonly settings: Settings
  readonly scope: Scope
  readonly now: () => number
  /** Called when a session may be available. */
  readonly onFree: () => void
}

export class Sessions {
  readonly #open: OpenSession
  readonly #settings: Settings
  readonly #scope: Scope
  readonly #now: () => number
  /** Called when a session may be available. */
  readonly #onFree: () => void
  /** The most recently used session is the last. */
  readonly #idle: Idle[] = []
  /** How many sessions are in use, being opened, or waited for. */
  #used = 0
  #taken = 0
  #starved: Starved[] = []
  #retryTimer: NodeJS.Timeout | undefined
  #opening = 0
  /** How many sessions have a connection that isn't closed yet. */
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

  /** Whether `number` more sessions are available. */
  hasRoomFor(number: number): boolean {
    return this.#used + number <= this.#settings.maxConnections && this.#starved.length === 0
  }

  /** Whether the server has refused more connections than there are. */
  get areLimitedByServer(): boolean {
    return this.#starved.length > 0
  }

  /**
   * Returns a session for exclusive use. Call it only if there is room, and {@link release} the session exactly once.
   *
   * @param wait whether to wait for a session of this pool if the server has no more connections.
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
    // A router may have forgotten the connection without closing it. Check that now, while another session can still be used instead.
    if (await session.answers(this.#scope.signOfLife)) return session
    // The other idle connections have been silent for longer still.
    for (let other = this.#pop(); other !== undefined; other = this.#pop()) other.close()
    return undefined
  }

  #pop(): Session | undefined {
    const idle = this.#idle.pop()
    clearTimeout(idle?.timer)
    idle?.stopListening()
    return idle?.session
  }

  /** Opens a session, or waits for one to be released if the server has no more connections. Undefined: try again, there may be connections by now. */
  async #openOrWait(number: number, wait: boolean, signal: AbortSignal | undefined): Promise<Session | undefined> {
    this.#opening += 1
    let session: Session
    try {
      session = await this.#open(signal)
    } catch (error) {
      this.#opening -= 1
      const isLimit = systemCode((error as Error).cause) === TOO_MANY_CONNECTIONS
      if (wait && isLimit && signal?.aborted !== true) {
        // A session was released meanwhile.
        if (this.#idle.length > 0) return undefined
        if (this.#canComeFree) return await this.#nextFree(number, signal)
      }
      // Others may have waited because this session was being opened.
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

  /** Whether a session of this pool will be released, or was closed so recently that the server may not have noticed yet. */
  get #canComeFree(): boolean {
    const isRecent = this.#now() - this.#closedMs < this.#settings.patienceMs
    return this.#connected + this.#opening > 0 || isRecent
  }

  /** Waits for the next released session. Undefined: try again, there may be connections by now. @throws the signal's reason if it aborts. */
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

  /** Lets the first starved request try again, or all of them, if there is nothing left to wait for. */
  #resumeStarved(): void {
    const among = this.#canComeFree ? this.#starved.slice(0, 1) : this.#starved
    for (const { resume } of among) resume(undefined)
  }

  /** Releases a session. @param session holds nothing and runs nothing, or has ended. Behind a pooler, its transaction may still be open. */
  release(session: Session, lingerMs: number): void {
    if (!this.#scope.isTransaction || session.pid === 0 || session.hasEnded) return this.#releaseIdle(session, lingerMs)
    this.#scope
      .end(session)
      .catch((error: unknown) => session.end(error as Error))
      .finally(() => this.#releaseIdle(session, lingerMs))
  }

  #releaseIdle(session: Session, lingerMs: number): void {
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
