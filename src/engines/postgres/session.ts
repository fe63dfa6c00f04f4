/**
 * One session of the server: a connection, and the latest time at which it is known to have been alive.
 *
 *  1. `aliveAtMs` is the time when the last answered statement was *sent*: the session was alive then, or later.
 *  2. An ended session stays ended. What it held is free as soon as the server knows, too.
 *  3. Every statement has a deadline, except a statement that waits for a lock.
 */
import { debug } from '../../debug.ts'
import { onAbort } from '../../requests/on-abort.ts'
import { SlocketError } from '../../errors.ts'
import type { MakeClient, Row, SqlClient, SqlResult, SqlStatement } from './client.ts'
import { Prepared } from './prepared.ts'
import { toServerError } from './server-error.ts'
import { setTimeout, clearTimeout, setImmediate } from '../../real-time.ts'

export interface SessionParts {
  readonly make: MakeClient
  /** How long an answer may take. */
  readonly patienceMs: number
  /** Returns the current time, or an earlier one: see clock.ts. */
  readonly now: () => number
  /** Precedes every statement outside of a transaction of this engine. If it isn't empty, no statement is prepared: the session may serve another client at any time. */
  readonly prelude: string
}

export interface RunOptions {
  /** What the statement does, for error messages: `cannot …`. */
  readonly doing: string
  /** The statement waits for a lock, so it has no deadline. */
  readonly isWait?: boolean
  /** The statement doesn't keep the process alive. */
  readonly isBackground?: boolean
  /** The same text may be executed again and again. */
  readonly isRecurring?: boolean
  /** The values of its parameters, `$1` and so on. */
  readonly values?: string[]
}

/** Opens a session that is ready for locks. @param signal aborts when no caller waits for it any more: see {@link Session.open}. */
export type OpenSession = (signal?: AbortSignal) => Promise<Session>

export class Session {
  /** The id of the server's process. 0 behind a pooler, except in a transaction: see scope.ts. */
  pid: number = 0
  /** Called when the connection is closed, for whatever reason. */
  onClosed: (() => void) | undefined
  /** Called for a notification on a channel that the session listens to. */
  onNotified: (() => void) | undefined
  /** Whether it may find out whether all writes are on the disk, and force them there: see `FLUSH` in statements.ts. */
  canFlush: boolean = false
  readonly #client: SqlClient
  readonly #patienceMs: number
  readonly #now: () => number
  readonly #prelude: string
  readonly #onEnd = new Set<(error: Error) => void>()
  #aliveAtMs: number
  #failure: Error | undefined
  #isEndedFromHere = true
  #references = 0
  /** The last statement, while it is running. */
  #execution: Promise<unknown> | undefined
  readonly #prepared = new Prepared()

  private constructor({ make, patienceMs, now, prelude }: SessionParts) {
    this.#patienceMs = patienceMs
    this.#now = now
    this.#prelude = prelude
    this.#aliveAtMs = now()
    this.#client = make()
    this.#client.on('error', (error) => this.#endByServer(toServerError(error, 'use the session any more')))
    this.#client.on('notification', () => this.onNotified?.())
    this.#client.on('end', () => {
      this.#endByServer(unreachable('the server has ended the session'))
      this.onClosed?.()
    })
  }

  /**
   * Connects. This doesn't keep the process alive; the caller does that while it waits. Only the system's connect and the lookup of a host name can't be prevented from
   * doing so. Therefore `signal` ends the connect. What follows the connect goes on, so that the next caller has a session.
   *
   * @throws ERR_SLOCKET_UNREACHABLE and others.
   */
  static async open(parts: SessionParts, signal?: AbortSignal): Promise<Session> {
    const unwanted = (): SlocketError => unreachable('no caller waits for the connection any more')
    if (signal?.aborted === true) throw unwanted()
    const session = new Session(parts)
    const timer = setTimeout(() => session.end(unreachable('the server does not answer')), parts.patienceMs).unref()
    const { stream } = session.#client.connection
    const stopListening =
      signal &&
      onAbort(signal, () => {
        if (stream.connecting) session.end(unwanted())
      })
    try {
      stream.once('connect', () => stream.unref())
      await session.#client.connect()
      if (session.#failure !== undefined) throw session.#failure
      // With TLS, it is another stream by now.
      session.#client.connection.stream.unref()
      return session
    } catch (error) {
      const failure = session.#failure ?? toServerError(error, 'connect to PostgreSQL')
      session.end(failure)
      throw failure
    } finally {
      clearTimeout(timer)
      stopListening?.()
    }
  }

  /** The process id that the server, or a pooler in front of it, reported on connecting. */
  get saidPid(): number | null {
    return this.#client.processID
  }

  /** How long ago it was last known to be alive, in ms. */
  get silentMs(): number {
    return this.#now() - this.#aliveAtMs
  }

  get aliveAtMs(): number {
    return this.#aliveAtMs
  }

  /** Whether a new session would be better: this one has no room for more prepared statements. */
  get isWornOut(): boolean {
    return this.#prepared.isFull
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined
  }

  /** Whether this process ended it, and neither the server nor the network did. */
  get isEndedFromHere(): boolean {
    return this.hasEnded && this.#isEndedFromHere
  }

  /** Calls `listener` once when the session has ended, but not for {@link close}. Returns a function that removes the listener. */
  onEnd(listener: (error: Error) => void): () => void {
    if (this.#failure === undefined) this.#onEnd.add(listener)
    else listener(this.#failure)
    return () => this.#onEnd.delete(listener)
  }

  /** Runs a statement. @throws SlocketError. If the session goes on, the server's error is its cause. */
  async run(text: string, options: RunOptions): Promise<Row[]> {
    const { doing, isWait = false, isBackground = false, isRecurring = false, values } = options
    if (this.#failure !== undefined) throw this.#failure
    const sentMs = this.#now()
    let isAnswered = false
    const endUnanswered = (): void => void (isAnswered || this.end(this.#noAnswer()))
    // If this thread was blocked until now, the answer may have come: it is read before an immediate.
    const timer = isWait ? undefined : setTimeout(() => setImmediate(endUnanswered), this.#patienceMs)
    if (isBackground) timer?.unref()
    else this.#reference(1)
    const execution = this.#execute(this.#toStatement(text, isRecurring, values))
    this.#execution = execution
    try {
      const rows = rowsOf(await execution)
      if (this.#failure !== undefined) throw this.#failure
      this.#aliveAtMs = Math.max(this.#aliveAtMs, sentMs)
      return rows
    } catch (error) {
      throw this.#failure ?? toServerError(error, doing)
    } finally {
      isAnswered = true
      if (this.#execution === execution) this.#execution = undefined
      clearTimeout(timer)
      if (!isBackground) this.#reference(-1)
    }
  }

  /** Whether the session answers, with the same process as before. If not, ends it. @param statement must return the `pid` of the server's process. */
  async answers(statement: string): Promise<boolean> {
    try {
      const [row] = await this.run(statement, { doing: 'ask for a sign of life', isBackground: true })
      if (row?.['pid'] === String(this.pid)) return true
      this.end(new SlocketError('ERR_SLOCKET_POOLER', 'another process answers for the session'))
    } catch (error) {
      this.end(error as Error)
    }
    return false
  }

  /**
   * Sends a few bytes that change nothing (the message Flush), so that a proxy doesn't consider the connection of a waiter idle. No other statement can run while a
   * statement waits. The server reads the bytes when the statement is done:
   * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
   */
  touch(): void {
    const { connection } = this.#client
    // The bytes pile up at the server. After days, its buffer is full, and sending more would be useless.
    if (this.#failure === undefined && connection.stream.writableLength === 0) connection.flush()
  }

  #noAnswer(): SlocketError {
    const why = this.#prelude === '' ? '' : ' (or the pooler has no free connection to the server)'
    return unreachable(`no answer within ${this.#patienceMs} ms${why}`)
  }

  #toStatement(text: string, isRecurring: boolean, values: string[] | undefined): SqlStatement {
    if (this.#prelude !== '') return { text: this.pid === 0 ? this.#prelude + text : text, values }
    return { text, values, name: isRecurring ? this.#prepared.nameOf(text) : undefined }
  }

  /** Runs statements one after the other: `pg` 9 and later accepts no second statement while one is running. */
  #execute(statement: SqlStatement): Promise<SqlResult | SqlResult[]> {
    if (this.#execution === undefined) return this.#client.query(statement)
    const send = (): Promise<SqlResult | SqlResult[]> => {
      if (this.#failure !== undefined) throw this.#failure
      return this.#client.query(statement)
    }
    return this.#execution.then(send, send)
  }

  #endByServer(error: Error): void {
    if (this.#failure === undefined) this.#isEndedFromHere = false
    this.end(error)
  }

  /** Ends the session at once, whatever it is doing, and notifies the listeners. */
  end(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    debug('the session %d has ended: %s', this.pid, error.message)
    this.#client.connection.stream.destroy()
    const listeners = [...this.#onEnd]
    this.#onEnd.clear()
    for (const listener of listeners) listener(error)
  }

  /** Closes the session in the regular way, without notifying the listeners. */
  close(): void {
    if (this.#failure !== undefined) return
    this.#failure = unreachable('the session was closed')
    this.#onEnd.clear()
    const timer = setTimeout(() => this.#client.connection.stream.destroy(), this.#patienceMs).unref()
    this.#client.end().then(
      () => clearTimeout(timer),
      () => this.#client.connection.stream.destroy(),
    )
  }

  #reference(change: 1 | -1): void {
    this.#references += change
    if (this.#references > 0) this.#client.connection.stream.ref()
    else this.#client.connection.stream.unref()
  }
}

/** Returns the rows. If there were several statements, those of the last statement that returned any. */
function rowsOf(result: SqlResult | SqlResult[]): Row[] {
  return Array.isArray(result) ? (result.findLast(({ rows }) => rows.length > 0)?.rows ?? []) : result.rows
}

function unreachable(why: string): SlocketError {
  return new SlocketError('ERR_SLOCKET_UNREACHABLE', `PostgreSQL: ${why}`)
}
