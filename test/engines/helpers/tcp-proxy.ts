/** A proxy between clients and one server. It passes on data, or not, as the test says. */
import { once } from 'node:events'
import net from 'node:net'

export class TcpProxy implements AsyncDisposable {
  /** `host:port`. */
  readonly address: string
  /** The URL of the server to which the next connections lead. */
  target: string
  /** Whether what servers answer is thrown away. What clients send gets through. */
  isLosingReplies: boolean = false
  /** Called with what a client sends, before it is passed on. */
  onSent: (bytes: Buffer) => void = () => {}
  /** How many connections have been made. */
  opened: number = 0
  /** Sends what is held back. Undefined if nothing is to be held back. */
  #heldBack: (() => void)[] | undefined
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  private constructor(server: net.Server, target: string) {
    this.#server = server
    this.target = target
    const { address, port } = server.address() as net.AddressInfo
    this.address = `${address}:${port}`
  }

  /** @param host where it listens. */
  static async open(target: string, host: string = '127.0.0.1'): Promise<TcpProxy> {
    const server = net.createServer({ allowHalfOpen: true })
    server.listen(0, host)
    await once(server, 'listening')
    const proxy = new TcpProxy(server, target)
    server.on('connection', (client) => {
      const { hostname, port } = new URL(proxy.target)
      proxy.#join(client, net.connect({ host: hostname, port: Number(port), allowHalfOpen: true }))
    })
    return proxy
  }

  get connections(): number {
    return this.#sockets.size / 2
  }

  /** Breaks all connections. Others may be made. */
  break(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Holds back what servers answer, on all connections. */
  holdReplies(): void {
    this.#heldBack ??= []
  }

  get isHoldingReplies(): boolean {
    return this.#heldBack !== undefined
  }

  /** Passes on what was held back, and what comes from now on. */
  passReplies(): void {
    for (const send of this.#heldBack ?? []) send()
    this.#heldBack = undefined
  }

  #join(client: net.Socket, upstream: net.Socket): void {
    this.opened += 1
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {})
      socket.on('end', () => other.end())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (bytes) => {
      this.onSent(bytes)
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (this.isLosingReplies) return
      if (this.#heldBack === undefined) client.write(bytes)
      else this.#heldBack.push(() => client.write(bytes))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.break()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
