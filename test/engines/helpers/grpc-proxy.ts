/**
 * Stands between clients and one etcd, call by call, without reading what is in them. It can keep the answer of a transaction to
 * itself, and send transactions again that have long been answered.
 */
import * as grpc from '@grpc/grpc-js'

const UNARY = [
  'KV/Range',
  'KV/Put',
  'KV/DeleteRange',
  'KV/Txn',
  'Lease/LeaseGrant',
  'Lease/LeaseRevoke',
  'Lease/LeaseTimeToLive',
]
const STREAMS = ['Lease/LeaseKeepAlive', 'Watch/Watch']
const TXN = 'KV/Txn'

const asItIs = (bytes: Buffer): Buffer => bytes
const pathOf = (method: string): string => `/etcdserverpb.${method}`

type Unary = grpc.handleUnaryCall<Buffer, Buffer>
type Duplex = grpc.handleBidiStreamingCall<Buffer, Buffer>

export class GrpcProxy implements AsyncDisposable {
  /** `http://host:port`. */
  readonly address: string
  /** The next so many transactions are done, and not answered. */
  loseAnswers: number = 0
  /** The next so many transactions are not done, and not answered. */
  loseRequests: number = 0
  /** The transaction of this number is done, and answered when `answer` is called. */
  holdAnswerOf: number | undefined
  /** So are all transactions that have this in a key. */
  holdAnswersTo: string | undefined
  /** Awaited before a range is asked for. */
  beforeRange: () => Promise<void> = () => Promise.resolve()
  /** The next so many deletions are not done, and not answered. */
  loseDeletions: number = 0
  /** How many deletions have come. */
  deletions: number = 0
  /** What streams were opened with. */
  readonly streams: grpc.Metadata[] = []
  readonly #held: (() => void)[] = []
  readonly #server: grpc.Server
  readonly #client: grpc.Client
  /** The transactions that have come, in their order. */
  readonly #transactions: Buffer[] = []

  private constructor(server: grpc.Server, client: grpc.Client, port: number) {
    this.#server = server
    this.#client = client
    this.address = `http://127.0.0.1:${port}`
  }

  static async open(target: string): Promise<GrpcProxy> {
    const server = new grpc.Server()
    const client = new grpc.Client(new URL(target).host, grpc.credentials.createInsecure())
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    const proxy = new GrpcProxy(server, client, port)
    const definition = (method: string, isStream: boolean): grpc.MethodDefinition<Buffer, Buffer> => ({
      path: pathOf(method),
      requestStream: isStream,
      responseStream: isStream,
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    })
    const definitions = [
      ...UNARY.map((method) => definition(method, false)),
      ...STREAMS.map((method) => definition(method, true)),
    ]
    const handlers = [...UNARY.map((method) => proxy.#unary(method)), ...STREAMS.map((method) => proxy.#stream(method))]
    server.addService(
      Object.fromEntries(definitions.map((each) => [each.path, each])),
      Object.fromEntries(definitions.map((each, index) => [each.path, handlers[index]!])),
    )
    return proxy
  }

  get transactions(): number {
    return this.#transactions.length
  }

  /** How many answers are held back. */
  get held(): number {
    return this.#held.length
  }

  /** Gives the answers that were held back. */
  answer(): void {
    for (const give of this.#held.splice(0)) give()
  }

  /** Sends the transaction of this number again, as a network may that has kept it for long. */
  async sendAgain(index: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#call(TXN, this.#transactions[index]!, new grpc.Metadata(), (error) =>
        // Where its lease has ended meanwhile, it does nothing.
        error === null || error.code === grpc.status.NOT_FOUND ? resolve() : reject(error),
      )
    })
  }

  #call(method: string, request: Buffer, metadata: grpc.Metadata, callback: grpc.requestCallback<Buffer>): void {
    this.#client.makeUnaryRequest(
      pathOf(method),
      asItIs,
      asItIs,
      request,
      metadata,
      { deadline: Date.now() + 5000 },
      callback,
    )
  }

  #unary(method: string): Unary {
    return (call, callback) => {
      if (method === 'KV/DeleteRange') {
        this.deletions += 1
        if (this.loseDeletions > 0) {
          this.loseDeletions -= 1
          return
        }
      }
      if (method === 'KV/Range') {
        // If that fails, there is no answer.
        void this.beforeRange().then(() => this.#call(method, call.request, call.metadata, callback))
        return
      }
      if (method !== TXN) return this.#call(method, call.request, call.metadata, callback)
      const index = this.#transactions.push(call.request) - 1
      const isHeld =
        index === this.holdAnswerOf || (this.holdAnswersTo !== undefined && call.request.includes(this.holdAnswersTo))
      if (this.loseRequests > 0) {
        this.loseRequests -= 1
        return
      }
      const isLost = this.loseAnswers > 0
      if (isLost) this.loseAnswers -= 1
      this.#call(method, call.request, call.metadata, (error, answer) => {
        if (isHeld) this.#held.push(() => callback(error, answer))
        else if (!isLost) callback(error, answer)
      })
    }
  }

  #stream(method: string): Duplex {
    return (call) => {
      this.streams.push(call.metadata)
      const upstream = this.#client.makeBidiStreamRequest(pathOf(method), asItIs, asItIs, call.metadata)
      call.on('data', (bytes: Buffer) => upstream.write(bytes))
      call.on('end', () => upstream.end())
      call.on('cancelled', () => upstream.cancel())
      call.on('error', () => upstream.cancel())
      upstream.on('data', (bytes: Buffer) => call.write(bytes))
      upstream.on('error', (error: grpc.ServiceError) => call.emit('error', error))
      upstream.on('end', () => call.end())
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close()
    this.#server.forceShutdown()
    await Promise.resolve()
  }
}
