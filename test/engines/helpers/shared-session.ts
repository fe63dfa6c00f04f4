/** Gives all its clients one session of a PostgreSQL server, in turn: what PGlite does behind its socket server. Trusts everybody. */
import { once } from 'node:events'
import net from 'node:net'

const AUTHENTICATION_OK = Buffer.from([82, 0, 0, 0, 8, 0, 0, 0, 0])
const [READY, KEY, SYNC, QUERY, TERMINATE] = ['Z', 'K', 'S', 'Q', 'X'].map((letter) => letter.charCodeAt(0))

type Message = Buffer

/** Splits a stream of the protocol into messages. The first one of a client has no letter. */
class Messages {
  #bytes: Buffer = Buffer.alloc(0)
  #letter: 0 | 1

  constructor(hasLetter: boolean) {
    this.#letter = hasLetter ? 1 : 0
  }

  read(bytes: Buffer): Message[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    const messages: Message[] = []
    for (;;) {
      if (this.#bytes.length < this.#letter + 4) return messages
      const end = this.#letter + this.#bytes.readInt32BE(this.#letter)
      if (this.#bytes.length < end) return messages
      messages.push(this.#bytes.subarray(0, end))
      this.#bytes = this.#bytes.subarray(end)
      this.#letter = 1
    }
  }
}

export class SharedSession implements AsyncDisposable {
  readonly url: string
  readonly #server: net.Server
  readonly #upstream: net.Socket
  readonly #clients = new Set<net.Socket>()
  /** The messages of each client, up to the one that it wants an answer to. The first client is being answered. */
  readonly #turns: { readonly client: net.Socket; readonly bytes: Buffer }[] = []
  #key: Message = Buffer.alloc(0)

  private constructor(url: string, server: net.Server, upstream: net.Socket) {
    const { username, pathname } = new URL(url)
    this.url = `postgres://${username}@127.0.0.1:${(server.address() as net.AddressInfo).port}${pathname}`
    this.#server = server
    this.#upstream = upstream
  }

  static async over(url: string): Promise<SharedSession> {
    const { hostname, port, username, pathname } = new URL(url)
    const upstream = net.connect(Number(port), hostname).setNoDelay(true)
    const server = net.createServer().listen(0, '127.0.0.1')
    await Promise.all([once(upstream, 'connect'), once(server, 'listening')])
    const shared = new SharedSession(url, server, upstream)
    await shared.#begin(username, pathname.slice(1))
    server.on('connection', (client) => shared.#join(client))
    return shared
  }

  async #begin(user: string, database: string): Promise<void> {
    const words = Buffer.from(`\0\0\0\0\0\x03\0\0user\0${user}\0database\0${database}\0\0`)
    words.writeInt32BE(words.length)
    this.#upstream.write(words)
    const messages = new Messages(true)
    await new Promise<void>((resolve) => {
      this.#upstream.on('data', (bytes) => {
        for (const message of messages.read(bytes)) {
          if (message[0] === KEY) this.#key = message
          this.#turns[0]?.client.write(message)
          if (message[0] !== READY) continue
          this.#turns.shift()
          this.#serve()
          resolve()
        }
      })
    })
  }

  #serve(): void {
    const [turn] = this.#turns
    if (turn !== undefined) this.#upstream.write(turn.bytes)
  }

  #join(client: net.Socket): void {
    this.#clients.add(client)
    client.setNoDelay(true).on('error', () => {})
    const messages = new Messages(false)
    let isIn = false
    let asked: Message[] = []
    client.on('data', (bytes) => {
      for (const message of messages.read(bytes)) {
        if (!isIn) {
          client.write(Buffer.concat([AUTHENTICATION_OK, this.#key, Buffer.from([READY!, 0, 0, 0, 5, 73])]))
          isIn = true
        } else if (message[0] === TERMINATE) client.end()
        else {
          asked.push(message)
          if (message[0] !== SYNC && message[0] !== QUERY) continue
          this.#turns.push({ client, bytes: Buffer.concat(asked) })
          asked = []
          if (this.#turns.length === 1) this.#serve()
        }
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [...this.#clients, this.#upstream]) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
