/**
 * A connection to one member of the cluster.
 *
 *  1. Each call has a limit, which begins when there is a connection. Before that, connecting has the same limit, and so has, before that, finding
 *     out whether the server accepts connections (probe.ts). Only time in which this process runs counts (awake.ts).
 *  2. It does not keep the process alive, except while it finds out whether the server accepts connections.
 */
import type { Socket } from 'node:net'
import type * as Grpc from '@grpc/grpc-js'
import { Cancellation } from '../../requests/cancellation.ts'
import { withinAwake } from '../awake.ts'
import type { LoadedGrpc } from './load-grpc.ts'
import type { Settings } from './options.ts'
import { parseTarget, Probe } from './probe.ts'
import { unanswered } from './refusal.ts'
import { setTimeout, clearTimeout, monotonicNowMs } from '../../real-time.ts'

/**
 * Pings are off: renewals of the lease find out whether the connection is alive. A server that does not expect pings, such as `etcd grpc-proxy`
 * (3.4.23, gRPC's default is one in five minutes), ends the connection of a client that sends them.
 */
const CHANNEL_OPTIONS: Grpc.ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.client_idle_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.service_config_disable_resolution': 1,
  // Otherwise engines of one process would share a connection, and its failures.
  'grpc.use_local_subchannel_pool': 1,
}

export type Stream = Grpc.ClientDuplexStream<object, object>

/** One call. */
export interface Call {
  readonly method: string
  readonly request: object
  readonly metadata: Grpc.Metadata
  /** The limit for connecting, and then for the answer. */
  readonly limitMs: number
  /** Called right before the call is sent. */
  readonly onSend?: (() => void) | undefined
  /** Called when half of a limit has passed. */
  readonly onSlow?: (() => void) | undefined
}

/** The error of calls whose connection another call has given up. */
export const GIVEN_UP = 'the connection was given up'

type Limit = Pick<Call, 'limitMs' | 'onSlow'>

export class Connection {
  readonly address: string
  readonly #loaded: LoadedGrpc
  readonly #tls: Settings['tls']
  readonly #client: Grpc.Client
  /** The last probe. */
  #probe: Probe | undefined
  /** When there was an answer, by `monotonicNowMs`. */
  #answeredMs = -Infinity
  #isClosed = false

  constructor(loaded: LoadedGrpc, address: string, tls: Settings['tls']) {
    const { credentials, Client } = loaded.grpc
    const plain = tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert)
    this.address = address
    this.#loaded = loaded
    this.#tls = tls
    this.#client = new Client(address, keepNobodyAlive(plain), CHANNEL_OPTIONS)
  }

  hasAnsweredSince(ms: number): boolean {
    return this.#answeredMs > ms
  }

  /** Closes the connection. Calls under way are finished. */
  close(): void {
    this.#isClosed = true
    this.#client.close()
    this.#probe?.end(givenUp())
  }

  /** @throws what gRPC throws; `unanswered` after the limit. */
  async call(call: Call): Promise<object> {
    const { method, request, metadata, onSend } = call
    await this.#ready(call)
    this.#refuseIfClosed()
    const { path, requestSerialize, responseDeserialize } = this.#loaded.methods.get(method)!
    let calling: Grpc.ClientUnaryCall | undefined
    const answering = new Promise<object>((resolve, reject) => {
      onSend?.()
      calling = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        (error, answer) => {
          if (error === null) resolve(answer!)
          else reject(error)
        },
      )
    })
    return await this.#within(answering, call, () => calling?.cancel())
  }

  /**
   * Sends one request over a stream of its own, and waits for one answer: the stream shows which request an answer is for, however late it comes, and whatever
   * comes after the first answer is ignored. The stream stays open until it is answered: `etcd grpc-proxy` does not answer a stream that its
   * client has closed (server/proxy/grpcproxy/lease.go).
   *
   * @throws as `call`.
   */
  async callByStream(call: Call): Promise<object> {
    await this.#ready(call)
    const stream = this.#openStream(call.method, call.metadata)
    const answering = new Promise<object>((resolve, reject) => {
      stream.on('data', resolve)
      stream.on('error', reject)
      stream.on('end', () => reject(unanswered('the stream ended without an answer')))
      call.onSend?.()
      stream.write(call.request)
    })
    const answer = await this.#within(answering, call, () => stream.cancel())
    // The stream isn't cancelled at once: etcd counts a cancelled stream as a failure of its own.
    stream.end()
    const cancelling = setTimeout(() => stream.cancel(), call.limitMs).unref()
    stream.on('status', () => clearTimeout(cancelling))
    return answer
  }

  /** The caller has to listen to `error`. @param limitMs for connecting. @throws `unanswered`. */
  async openStream(method: string, metadata: Grpc.Metadata, limitMs: number): Promise<Stream> {
    await this.#ready({ limitMs })
    return this.#openStream(method, metadata)
  }

  #openStream(method: string, metadata: Grpc.Metadata): Stream {
    this.#refuseIfClosed()
    const { path, requestSerialize, responseDeserialize } = this.#loaded.methods.get(method)!
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata)
  }

  async #within(answering: Promise<object>, { limitMs, onSlow }: Limit, cancel: () => void): Promise<object> {
    const late = (): Error => {
      cancel()
      return unanswered(`no answer within ${limitMs} ms`)
    }
    const answer = await withinAwake(answering, limitMs, late, onSlow)
    this.#answeredMs = monotonicNowMs()
    return answer
  }

  /** Waits until it is connected, or has failed: then the call fails at once, and says why. */
  async #ready({ limitMs, onSlow }: Limit): Promise<void> {
    const { CONNECTING, IDLE, READY } = this.#loaded.grpc.connectivityState
    const channel = this.#client.getChannel()
    let state = channel.getConnectivityState(false)
    if (state === READY) return
    if (state === IDLE) await this.#probeFor({ limitMs, onSlow })
    this.#refuseIfClosed()
    // RACE: the address may drop packets from here on. Then gRPC's own socket connects for as long as the kernel likes.
    state = channel.getConnectivityState(true)
    const changing = async (): Promise<void> => {
      // Bound: the limit; when it is over, the client that made the connection closes it, or goes on waiting for it.
      while (state === CONNECTING || state === IDLE) {
        await new Promise((resolve) => channel.watchConnectivityState(state, Infinity, resolve))
        state = channel.getConnectivityState(false)
      }
    }
    await withinAwake(changing(), limitMs, () => noConnection(limitMs), onSlow)
  }

  /** RACE: another call may have given it up during the last `await`. What gRPC throws then has no code. */
  #refuseIfClosed(): void {
    if (this.#isClosed) throw givenUp()
  }

  /** Waits until a server accepts at the address. There is one probe at a time, for all calls that wait. */
  async #probeFor({ limitMs, onSlow }: Limit): Promise<void> {
    // `address` isn't used: gRPC may use a proxy that the environment names and that doesn't use TLS.
    const text = this.#client.getChannel().getTarget()
    const target = parseTarget(text)
    if (target === undefined || this.#isClosed) return
    const tls = text === `dns:${this.address}` ? this.#tls : undefined
    if (this.#probe?.isOver !== false) this.#probe = new Probe(target, tls)
    const leaving = new Cancellation()
    try {
      await withinAwake(this.#probe.wait(leaving), limitMs, () => noConnection(limitMs), onSlow)
    } finally {
      leaving.cancel()
    }
  }
}

function noConnection(limitMs: number): Error {
  return unanswered(`no connection within ${limitMs} ms`)
}

function givenUp(): Error {
  return unanswered(GIVEN_UP)
}

/**
 * gRPC keeps the process alive while any call is under way, and a watch always is. There is no public way to say otherwise, so the
 * sockets that these credentials are given are unref'd (@grpc/grpc-js 1.13 and 1.14; if a later version does this in
 * another way, holding a lock keeps the process alive).
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
