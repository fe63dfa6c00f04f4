/**
 * One session of the server: a connection, and until when it is known to have lived.
 *
 *  1. `aliveAtMs` is when the last statement that was answered had been *sent*: at that moment, or later, the session lived.
 *  2. Once it has ended it stays so. What it held is free as soon as the server knows too.
 *  3. Every statement has a deadline, except the one that waits for a lock.
 */
import { debug } from '../../debug.ts'
import { onAbort } from '../../requests/on-abort.ts'
import { SlocketError } from '../../errors.ts'
import type { MakeClient, Row, SqlClient, SqlResult, SqlStatement } from './client.ts'
import { Prepared } from './prepared.ts'
import { toServerError } from './server-error.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

export interface SessionParts {
  readonly make: MakeClient
  /** How long an answer may take. */
  readonly patienceMs: number
  /** Never after now; see clock.ts. */
  readonly now: () => number
  /** In front of every statement that is in no transaction of ours. Then no statement is prepared: the session is somebody else's the next moment. */
  readonly prelude: string
}

export interface RunOptions {
  /** What it does, for messages. */
  readonly doing: string
  /** Waits for a lock: may take for ever. */
  readonly isWait?: boolean
  /** Does not keep the process alive. */
  readonly isBackground?: boolean
  /** May be asked for again and again, with the same text. */
  readonly isRecurring?: boolean
  /** Of its parameters, `$1` and so on. */
  readonly values?: string[]
}

/** Opens one that is ready for locks. @param signal aborts when nobody waits for it any more: see {@link Session.open}. */
export type OpenSession = (signal?: AbortSignal) => Promise<Session>

export class Session {
  /** The server's process. 0 behind a pooler, except in a transaction: see scope.ts. */
  pid: number = 0
  /** Called when its connection is closed, however it has ended. */
  onClosed: (() => void) | undefined
  /** Called when somebody has notified a channel that it listens to. */
  onNotified: (() => void) | undefined
  /** Whether it can see, and see to it, that what was written is on the disk. */
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
  /** The last statement, while it is executed. */
  #execution: Promise<unknown> | undefined
  readonly #prepared = new Prepared()

  private constructor({ make, patienceMs, now, prelude }: SessionParts) {
    this.#patienceMs = patienceMs
    this.#now = now
    this.#prelude = prelude
    this.#aliveAtMs = now()
    this.#client = make()
    this.#client.on('error', (error) => this.#endByServer(toServerError(error, 'go on: the session has ended')))
    this.#client.on('notification', () => this.onNotified?.())
    this.#client.on('end', () => {
      this.#endByServer(unreachable('the server has ended the session'))
      this.onClosed?.()
    })
  }

  /**
   * Connects, and does not keep the process alive: who waits for it does, as long as it waits. The system's own connecting would all the same, so
   * that ends with `signal`; but what comes after it goes on, for the next one. (And a host's name is looked up to the end.)
   *
   * @throws ERR_SLOCKET_UNREACHABLE and others.
   */
  static async open(parts: SessionParts, signal?: AbortSignal): Promise<Session> {
    const unwanted = (): SlocketError => unreachable('nobody waits for the connection any more')
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
      // With TLS it is another one by now.
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

  /** What the server, or whoever is in front of it, has said that its process is. */
  get saidPid(): number | null {
    return this.#client.processID
  }

  /** For how long it has not been known to live. */
  get silentMs(): number {
    return this.#now() - this.#aliveAtMs
  }

  get aliveAtMs(): number {
    return this.#aliveAtMs
  }

  /** Whether it can be used again as well as a new one. */
  get isWornOut(): boolean {
    return this.#prepared.isFull
  }

  get hasEnded(): boolean {
    return this.#failure !== undefined
  }

  /** Whether it was this process that has ended it, and neither the server nor the network. */
  get isEndedFromHere(): boolean {
    return this.hasEnded && this.#isEndedFromHere
  }

  /** `listener` is called once when it has ended, not by {@link close}. Returns what stops that. */
  onEnd(listener: (error: Error) => void): () => void {
    if (this.#failure === undefined) this.#onEnd.add(listener)
    else listener(this.#failure)
    return () => this.#onEnd.delete(listener)
  }

  /** @throws SlocketError; where the session lives on, one that has the server's error as its cause. */
  async run(text: string, options: RunOptions): Promise<Row[]> {
    const { doing, isWait = false, isBackground = false, isRecurring = false, values } = options
    if (this.#failure !== undefined) throw this.#failure
    const sentMs = this.#now()
    const timer = isWait ? undefined : setTimeout(() => this.end(this.#noAnswer()), this.#patienceMs)
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
      if (this.#execution === execution) this.#execution = undefined
      clearTimeout(timer)
      if (!isBackground) this.#reference(-1)
    }
  }

  /** Whether it is there, and the one that it was. Where not, it has ended. @param statement has to give the `pid` that answers. */
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
   * Sends a few bytes that change nothing (the message Flush), so that a proxy doesn't take the connection of a waiter for idle: its statement is under way, and
   * nothing else may be asked. The server reads them when the statement is done:
   * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
   */
  touch(): void {
    const { connection } = this.#client
    // They pile up at the server, and after days its buffer is full: then there is nothing to gain by more.
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

  /** One after the other: from version 9 on, `pg` takes no second statement while it executes one. */
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

  /** Ends it for a reason, now, whatever it is doing. */
  end(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    debug('the session %d has ended: %s', this.pid, error.message)
    this.#client.connection.stream.destroy()
    const listeners = [...this.#onEnd]
    this.#onEnd.clear()
    for (const listener of listeners) listener(error)
  }

  /** Says goodbye, and tells nobody. */
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

/** Of several statements, those of the last one that has any. */
function rowsOf(result: SqlResult | SqlResult[]): Row[] {
  return Array.isArray(result) ? (result.findLast(({ rows }) => rows.length > 0)?.rows ?? []) : result.rows
}

function unreachable(why: string): SlocketError {
  return new SlocketError('ERR_SLOCKET_UNREACHABLE', `PostgreSQL: ${why}`)
}
