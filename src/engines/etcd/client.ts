/**
 * A client of the cluster: one connection at a time, to one of its members.
 *
 *  1. Every call has a deadline. A call that isn't answered is retried at the next member, over a new connection. So only calls that
 *     may be made twice are made here.
 *  2. Nothing is retried forever: the caller says when a call is no longer needed, and without an answer for as long as a lease lasts it fails.
 *  3. Connections do not keep the process alive. Calls do, except those in the background.
 */
import type * as Grpc from '@grpc/grpc-js'
import { debug } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import { Connection, GIVEN_UP } from './connection.ts'
import type { Call, Stream } from './connection.ts'
import { keepAlive } from '../keep-alive.ts'
import type { LoadedGrpc } from './load-grpc.ts'
import { loadGrpc } from './load-grpc.ts'
import type { EtcdCredentials, Settings } from './options.ts'
import type { Calls } from './protocol.ts'
import { meaningOf, statusOf, toSlocketError, unanswered } from './refusal.ts'
import { setTimeout, monotonicNowMs } from '../../real-time.ts'

/** How long connecting may take, and then a call. The limit grows with each try: the server or this process may be slow. */
const LIMIT_MS = 1000
const LONGEST_LIMIT_MS = 3000
/** The pause after a call that failed. */
const PAUSE_MS = 100
const MOST_TOKENS = 3
/** How long to retry a call that is never answered while other calls are, as a multiple of `patienceMs`. */
const MOST_PATIENCES = 6
const NOT_YET = 'no answer yet'
/** Reasons that say less than the reason of an earlier call. */
const VAGUE: ReadonlySet<string> = new Set([GIVEN_UP, NOT_YET])
/** The minimum number of tries, however long they take: a process that was stopped has not tried. */
const LEAST_TRIES = 3

export interface Asking {
  /** Called between two calls. Returns whether the call is no longer needed. Default: never. */
  readonly isOver?: (() => boolean) | undefined
  /** Whether the process may end meanwhile. */
  readonly isBackground?: boolean
  /** Called right before each call is sent. */
  readonly onSend?: (() => void) | undefined
  /** When its caller began to wait, by `monotonicNowMs`. Default: now. */
  readonly sinceMs?: number
}

/** What a call has used, and when it began. */
interface Use {
  connection: Connection | undefined
  sinceMs: number
  token: Promise<string | undefined> | undefined
  /** Whether it had no token. If there are credentials, the server checked no passwords when it was asked; perhaps it does by now. */
  isTokenless: boolean
}

interface Failure {
  readonly error: unknown
  /** When the first call was made that got no answer. */
  readonly sinceMs: number
  readonly atMs: number
}

export class EtcdClient {
  readonly #settings: Settings
  /** Called when there is a new connection to use from now on. */
  readonly #onMoved = new Set<() => void>()
  #loaded: LoadedGrpc | undefined
  #connection: Connection | undefined
  /** Where the connection leads, or will lead. */
  #place: number
  #token: Promise<string | undefined> | undefined
  /** The time of the last answer, by `monotonicNowMs`. */
  #answeredMs = 0
  /** Why there was no answer to the last call, or is none yet. Undefined once there was one. */
  #failure: Failure | undefined

  constructor(settings: Settings) {
    this.#settings = settings
    // This spreads the clients of a cluster over its members.
    this.#place = Math.floor(Math.random() * settings.addresses.length)
  }

  /** How long to retry without an answer. */
  get patienceMs(): number {
    return this.#settings.ttlMs
  }

  onMoved(listener: () => void): void {
    this.#onMoved.add(listener)
  }

  /**
   * Asks until there is an answer. Only for calls that may be made twice.
   *
   * @returns undefined if the call was no longer needed before there was an answer.
   * @throws ERR_SLOCKET_UNREACHABLE, ERR_SLOCKET_NO_CLIENT, ERR_SLOCKET_PERMISSION, ERR_SLOCKET_RESOURCES, ERR_SLOCKET_SYSTEM; unchanged, the
   * refusal because the lease is gone.
   */
  async ask<M extends keyof Calls>(
    method: M,
    request: Calls[M][0],
    asking: Asking = {},
  ): Promise<Calls[M][1] | undefined> {
    const stopKeepAlive = asking.isBackground === true ? undefined : keepAlive()
    try {
      return await this.#askPatiently(method, request, asking)
    } finally {
      stopKeepAlive?.()
    }
  }

  async #askPatiently<M extends keyof Calls>(
    method: M,
    request: Calls[M][0],
    { isOver, onSend, sinceMs = monotonicNowMs() }: Asking,
  ): Promise<Calls[M][1] | undefined> {
    let tokens = 0
    let tries = 0
    // Bound: the patience; each round takes at least a pause, except for a few new tokens.
    while (isOver?.() !== true) {
      const use = newUse()
      try {
        return await this.#callOnce(method, request, use, { limitMs: limitOf(tries), onSend })
      } catch (error) {
        const meaning = meaningOf(error)
        if (error instanceof SlocketError || meaning === 'no lease') throw error
        const mayTokenHelp = meaning === 'token' || (meaning === 'refused' && use.isTokenless)
        if (mayTokenHelp && this.#settings.credentials !== undefined && tokens < MOST_TOKENS) {
          tokens += 1
          this.#refuseToken(use)
          continue
        }
        if (meaning !== 'unanswered') throw toSlocketError(error, this.#settings.addresses)
        this.#moveOn(use, error)
        tries += 1
        if (tries >= LEAST_TRIES && this.#isOutOfPatience(sinceMs)) throw this.#unreachable(error, this.patienceMs)
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref())
      }
    }
    return undefined
  }

  /** Makes one call, without a retry. */
  async #callOnce<M extends keyof Calls>(
    method: M,
    request: Calls[M][0],
    use: Use,
    { limitMs, onSend }: Pick<Call, 'limitMs' | 'onSend'>,
  ): Promise<Calls[M][1]> {
    const loaded = await this.#load()
    const metadata = await this.#metadata(loaded.grpc, limitMs, use, method === 'Authenticate')
    use.isTokenless = metadata.get('token').length === 0
    const onSlow = (): void => this.#onFailure(use, unanswered(NOT_YET))
    const answer = await this.#connect(loaded, use).call({ method, request, metadata, limitMs, onSend, onSlow })
    this.#onAnswer()
    return answer
  }

  /**
   * One request over a stream of its own, and one answer.
   *
   * @param tries how many times it was tried before.
   */
  async callByStream(method: string, request: object, tries: number, onSend: () => void): Promise<object> {
    const use = newUse()
    const limitMs = limitOf(tries)
    try {
      const loaded = await this.#load()
      const metadata = await this.#streamMetadata(loaded, limitMs, use)
      const answer = await this.#connect(loaded, use).callByStream({ method, request, metadata, limitMs, onSend })
      this.#onAnswer()
      return answer
    } catch (error) {
      if (meaningOf(error) === 'token') this.#refuseToken(use)
      else if (meaningOf(error) === 'unanswered') this.#moveOn(use, error)
      throw error
    }
  }

  /** The caller has to listen to `error`. @param tries how many times it was tried before. @throws what gRPC throws. */
  async openStream(method: string, tries: number): Promise<Stream> {
    const use = newUse()
    const limitMs = limitOf(tries)
    try {
      const loaded = await this.#load()
      const metadata = await this.#streamMetadata(loaded, limitMs, use)
      return await this.#connect(loaded, use).openStream(method, metadata, limitMs)
    } catch (error) {
      // Perhaps no other call is made for a long time.
      if (meaningOf(error) === 'unanswered') this.#moveOn(use, error)
      throw error
    }
  }

  async #streamMetadata({ grpc }: LoadedGrpc, limitMs: number, use: Use): Promise<Grpc.Metadata> {
    const metadata = await this.#metadata(grpc, limitMs, use, false)
    // With this, a member that is cut off from the others ends the stream, instead of staying silent forever.
    metadata.set('hasleader', 'true')
    return metadata
  }

  dropToken(): void {
    this.#token = undefined
  }

  /** Many calls are refused at once when a token expires: the first of them asks for a new one, which all others use. A server needs long to check a password. */
  #refuseToken({ token }: Use): void {
    if (this.#token === token) this.#token = undefined
  }

  /**
   * Returns ERR_SLOCKET_UNREACHABLE with its cause if calls have failed lately, or half of the limit of one has passed, and nothing has answered
   * since. Undefined if no outage is known.
   */
  outage(): SlocketError | undefined {
    const nowMs = monotonicNowMs()
    if (this.#failure === undefined || nowMs - this.#failure.atMs > this.patienceMs) return undefined
    return this.#unreachable(this.#failure.error, nowMs - this.#failure.sinceMs)
  }

  #onAnswer(): void {
    this.#answeredMs = monotonicNowMs()
    this.#failure = undefined
  }

  #onFailure({ sinceMs }: Use, error: unknown): void {
    // While other calls are answered, it isn't an outage.
    if (this.#answeredMs > sinceMs) return
    const nowMs = monotonicNowMs()
    const isFresh = this.#failure !== undefined && nowMs - this.#failure.atMs <= this.patienceMs
    const known = isFresh ? this.#failure : undefined
    const isVague = known !== undefined && VAGUE.has(statusOf(error).details)
    this.#failure = { error: isVague ? known.error : error, sinceMs: known?.sinceMs ?? sinceMs, atMs: nowMs }
  }

  /**
   * Makes the next call go to the next member, over a new connection. Does nothing if that has already happened since the call's connection was used, or if that connection has
   * answered other calls meanwhile: then it is slow, and a new one would not be faster.
   */
  #moveOn(use: Use, error: unknown): void {
    const { connection, sinceMs } = use
    this.#onFailure(use, error)
    if (connection === undefined || connection !== this.#connection) return
    debug('etcd at %s: %s', connection.address, statusOf(error).details)
    if (connection.hasAnsweredSince(sinceMs)) return
    this.#place = (this.#place + 1) % this.#settings.addresses.length
    this.#connection = undefined
    // Calls under way are finished.
    connection.close()
    for (const listener of this.#onMoved) listener()
  }

  /** @param sinceMs when the first try began. */
  #isOutOfPatience(sinceMs: number): boolean {
    const nowMs = monotonicNowMs()
    const unansweredMs = nowMs - Math.max(sinceMs, this.#answeredMs)
    return unansweredMs >= this.patienceMs || nowMs - sinceMs >= MOST_PATIENCES * this.patienceMs
  }

  async #load(): Promise<LoadedGrpc> {
    return (this.#loaded ??= await loadGrpc())
  }

  #connect(loaded: LoadedGrpc, use: Use): Connection {
    const { addresses, tls } = this.#settings
    this.#connection ??= new Connection(loaded, addresses[this.#place]!, tls)
    use.connection = this.#connection
    use.sinceMs = monotonicNowMs()
    return this.#connection
  }

  async #metadata(grpc: typeof Grpc, limitMs: number, use: Use, isForToken: boolean): Promise<Grpc.Metadata> {
    const metadata = new grpc.Metadata()
    const { credentials } = this.#settings
    if (credentials === undefined || isForToken) return metadata
    this.#token ??= this.#authenticate(credentials, limitMs)
    const asked = this.#token
    use.token = asked
    try {
      const token = await asked
      if (token !== undefined) metadata.set('token', token)
      return metadata
    } catch (error) {
      if (this.#token === asked) this.#token = undefined
      throw error
    }
  }

  async #authenticate({ username, password }: EtcdCredentials, limitMs: number): Promise<string | undefined> {
    const use = newUse()
    try {
      return (await this.#callOnce('Authenticate', { name: username, password }, use, { limitMs })).token
    } catch (error) {
      if (meaningOf(error) === 'no authentication') return undefined
      if (meaningOf(error) === 'unanswered') this.#moveOn(use, error)
      throw error
    }
  }

  #unreachable(cause: unknown, forMs: number): SlocketError {
    return new SlocketError(
      'ERR_SLOCKET_UNREACHABLE',
      `etcd at ${this.#settings.addresses.join(', ')} has not answered for ${(forMs / 1000).toFixed(1)} s: ${statusOf(cause).details}`,
      { cause },
    )
  }
}

function newUse(): Use {
  return { connection: undefined, sinceMs: monotonicNowMs(), token: undefined, isTokenless: false }
}

function limitOf(tries: number): number {
  return Math.min(LONGEST_LIMIT_MS, LIMIT_MS * (1 + tries))
}
