/**
 * A client of the cluster: one connection at a time, to one of its members.
 *
 *  1. Every call has a deadline. One that is not answered is made again at the next member, over a new connection; so only calls are
 *     made here that may be made twice.
 *  2. Nothing is tried for ever: who asks says when it is over, and without an answer for as long as a lease lasts it is.
 *  3. Connections do not keep the process alive. Calls do, but for those in the background.
 */
import type { Socket } from 'node:net'
import type * as Grpc from '@grpc/grpc-js'
import { debug } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import type { Reading } from './deadline.ts'
import { readClocks } from './deadline.ts'
import type { LoadedGrpc } from './load-grpc.ts'
import { loadGrpc } from './load-grpc.ts'
import type { EtcdCredentials, Settings } from './options.ts'
import type { Calls } from './protocol.ts'
import { meaningOf, statusOf, toSlocketError, unanswered } from './refusal.ts'

/** A timer's longest delay: it only keeps the process alive. */
const FOR_EVER_MS = 2 ** 31 - 1
/** How long one call may take; longer where several in a row have failed: the server may be slow. */
const CALL_MS = 1000
const LONGEST_CALL_MS = 3000
/** The pause after a call that failed. */
const PAUSE_MS = 100
const MOST_TOKENS = 3
/** For how many patiences something is tried that is never answered while other calls are. */
const MOST_PATIENCES = 6

const CHANNEL_OPTIONS: Grpc.ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.client_idle_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.service_config_disable_resolution': 1,
  // Otherwise engines of one process would share a connection, and its failures.
  'grpc.use_local_subchannel_pool': 1,
}

export interface Asking {
  /** Asked between two calls: whether it is no longer needed. Default: never. */
  readonly isOver?: (() => boolean) | undefined
  /** Whether the process may end meanwhile. */
  readonly isBackground?: boolean
  /** Told the clocks right before each call is sent. */
  readonly onSend?: ((clocks: Reading) => void) | undefined
}

/** Which connection a call has used. */
interface Use {
  connection: Grpc.Client | undefined
}

type Stream = Grpc.ClientDuplexStream<object, object>

export class EtcdClient {
  readonly #settings: Settings
  /** Called when there is a new connection to be used from now on. */
  readonly #onMoved = new Set<() => void>()
  #loaded: LoadedGrpc | undefined
  #connection: Grpc.Client | undefined
  /** Where the connection leads, or will lead. */
  #place: number
  #token: Promise<string | undefined> | undefined
  /** In a row. */
  #failures = 0
  /** When there was an answer, by performance.now(). */
  #answeredMs = 0

  constructor(settings: Settings) {
    this.#settings = settings
    // So that the clients of a cluster spread over its members.
    this.#place = Math.floor(Math.random() * settings.addresses.length)
  }

  /** How long something is tried without an answer. */
  get patienceMs(): number {
    return this.#settings.ttlSeconds * 1000
  }

  onMoved(listener: () => void): void {
    this.#onMoved.add(listener)
  }

  /**
   * Asks until there is an answer. Only for what may be done twice.
   *
   * @returns undefined where it was over before that.
   * @throws ERR_SLOCKET_UNREACHABLE, ERR_SLOCKET_NO_CLIENT, ERR_SLOCKET_PERMISSION, ERR_SLOCKET_RESOURCES, ERR_SLOCKET_SYSTEM; as it came: a
   * refusal because the lease is gone.
   */
  async ask<M extends keyof Calls>(
    method: M,
    request: Calls[M][0],
    asking: Asking = {},
  ): Promise<Calls[M][1] | undefined> {
    const keepAlive = asking.isBackground === true ? undefined : setInterval(() => {}, FOR_EVER_MS)
    try {
      return await this.#askPatiently(method, request, asking)
    } finally {
      clearInterval(keepAlive)
    }
  }

  async #askPatiently<M extends keyof Calls>(
    method: M,
    request: Calls[M][0],
    { isOver, onSend }: Asking,
  ): Promise<Calls[M][1] | undefined> {
    const sinceMs = performance.now()
    let tokens = 0
    // Bound: the patience; each round takes at least a pause, but for a few new tokens.
    while (isOver?.() !== true) {
      const use: Use = { connection: undefined }
      try {
        return await this.#callOnce(method, request, use, onSend)
      } catch (error) {
        const meaning = meaningOf(error)
        if (error instanceof SlocketError || meaning === 'no lease') throw error
        if (meaning === 'token' && this.#settings.credentials !== undefined && tokens < MOST_TOKENS) {
          tokens += 1
          this.#token = undefined
          continue
        }
        if (meaning !== 'unanswered') throw toSlocketError(error, this.#settings.addresses)
        this.#moveOn(use, error)
        if (this.#isOutOfPatience(sinceMs)) throw this.#unreachable(error)
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref())
      }
    }
    return undefined
  }

  /** One call, as it comes. */
  async #callOnce<M extends keyof Calls>(
    method: M,
    request: Calls[M][0],
    use: Use,
    onSend?: (clocks: Reading) => void,
  ): Promise<Calls[M][1]> {
    const { grpc, methods } = await this.#load()
    const metadata = await this.#metadata(grpc, method === 'Authenticate')
    const { path, requestSerialize, responseDeserialize } = methods.get(method)!
    const connection = this.#connect(grpc, use)
    const deadline = Date.now() + Math.min(LONGEST_CALL_MS, CALL_MS * (1 + this.#failures))
    return await new Promise((resolve, reject) => {
      onSend?.(readClocks())
      connection.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline },
        (error, answer) => {
          if (error !== null) return reject(error)
          this.#onAnswer()
          resolve(answer)
        },
      )
    })
  }

  /** One request over a stream of its own, and one answer. */
  async callStreamOnce(method: string, request: object, onSend: (clocks: Reading) => void): Promise<object> {
    const use: Use = { connection: undefined }
    try {
      const stream = await this.#openStream(method, use, Date.now() + CALL_MS)
      const answer = await new Promise<object>((resolve, reject) => {
        stream.on('data', resolve)
        stream.on('error', reject)
        stream.on('end', () => reject(unanswered('the stream ended without an answer')))
        onSend(readClocks())
        stream.write(request)
        stream.end()
      })
      this.#onAnswer()
      return answer
    } catch (error) {
      if (meaningOf(error) === 'token') this.#token = undefined
      else if (meaningOf(error) === 'unanswered') this.#moveOn(use, error)
      throw error
    }
  }

  /** The caller has to listen to `error`. */
  async openStream(method: string): Promise<Stream> {
    return await this.#openStream(method, { connection: undefined })
  }

  async #openStream(method: string, use: Use, deadline?: number): Promise<Stream> {
    const { grpc, methods } = await this.#load()
    const metadata = await this.#metadata(grpc, false)
    // A member that is cut off from the others ends the stream, instead of being silent for ever.
    metadata.set('hasleader', 'true')
    const { path, requestSerialize, responseDeserialize } = methods.get(method)!
    const options = deadline === undefined ? {} : { deadline }
    return this.#connect(grpc, use).makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      options,
    )
  }

  dropToken(): void {
    this.#token = undefined
  }

  /** The next call goes to the next member, over a new connection. Not if that has happened since the one that was used. */
  #moveOn({ connection }: Use, error: unknown): void {
    if (connection === undefined || connection !== this.#connection) return
    const { addresses } = this.#settings
    debug('etcd at %s: %s', addresses[this.#place], statusOf(error).details)
    this.#failures += 1
    this.#place = (this.#place + 1) % addresses.length
    this.#connection = undefined
    // What is under way is finished.
    connection.close()
    for (const listener of this.#onMoved) listener()
  }

  #onAnswer(): void {
    this.#failures = 0
    this.#answeredMs = performance.now()
  }

  /** @param sinceMs since when it is tried. */
  #isOutOfPatience(sinceMs: number): boolean {
    const nowMs = performance.now()
    const unansweredMs = nowMs - Math.max(sinceMs, this.#answeredMs)
    return unansweredMs >= this.patienceMs || nowMs - sinceMs >= MOST_PATIENCES * this.patienceMs
  }

  async #load(): Promise<LoadedGrpc> {
    return (this.#loaded ??= await loadGrpc())
  }

  #connect(grpc: typeof Grpc, use: Use): Grpc.Client {
    const address = this.#settings.addresses[this.#place]!
    this.#connection ??= new grpc.Client(address, this.#credentials(grpc), CHANNEL_OPTIONS)
    use.connection = this.#connection
    return this.#connection
  }

  #credentials(grpc: typeof Grpc): Grpc.ChannelCredentials {
    const { tls } = this.#settings
    if (tls === undefined) return keepNobodyAlive(grpc.credentials.createInsecure())
    return keepNobodyAlive(grpc.credentials.createSsl(tls.ca, tls.key, tls.cert))
  }

  async #metadata(grpc: typeof Grpc, isForToken: boolean): Promise<Grpc.Metadata> {
    const metadata = new grpc.Metadata()
    const { credentials } = this.#settings
    if (credentials === undefined || isForToken) return metadata
    this.#token ??= this.#authenticate(credentials)
    const asked = this.#token
    try {
      const token = await asked
      if (token !== undefined) metadata.set('token', token)
      return metadata
    } catch (error) {
      if (this.#token === asked) this.#token = undefined
      throw error
    }
  }

  async #authenticate({ username, password }: EtcdCredentials): Promise<string | undefined> {
    const use: Use = { connection: undefined }
    try {
      return (await this.#callOnce('Authenticate', { name: username, password }, use)).token
    } catch (error) {
      if (meaningOf(error) === 'no authentication') return undefined
      if (meaningOf(error) === 'unanswered') this.#moveOn(use, error)
      throw error
    }
  }

  #unreachable(cause: unknown): SlocketError {
    return new SlocketError(
      'ERR_SLOCKET_UNREACHABLE',
      `etcd at ${this.#settings.addresses.join(', ')} has not answered for ${this.patienceMs / 1000} s: ${statusOf(cause).details}`,
      { cause },
    )
  }
}

/**
 * gRPC keeps the process alive while any call is under way, and a watch always is. There is no public way to say otherwise, so the
 * sockets that these credentials are given are told to stay out of it (@grpc/grpc-js 1.13 and 1.14; where that is done in
 * another way some day, who holds a lock keeps its process alive).
 */
function keepNobodyAlive(credentials: Grpc.ChannelCredentials): Grpc.ChannelCredentials {
  interface Connector {
    connect(socket: Socket): Promise<{ readonly socket: Socket }>
  }
  const inner = credentials as unknown as { _createSecureConnector?: (...parameters: unknown[]) => Connector }
  const create = inner._createSecureConnector
  if (typeof create !== 'function') return credentials
  inner._createSecureConnector = (...parameters) => {
    const connector = create.apply(credentials, parameters)
    const connect = connector.connect.bind(connector)
    connector.connect = async (raw) => {
      const result = await connect(raw)
      const { socket } = result
      socket.unref()
      socket.ref = () => socket
      return result
    }
    return connector
  }
  return credentials
}
