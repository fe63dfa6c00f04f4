/** Where holders write: it remembers the greatest token that it has seen, and refuses smaller ones, if it is asked to. */
import { once } from 'node:events'
import net from 'node:net'
import { createInterface } from 'node:readline'

export class Sink implements AsyncDisposable {
  readonly path: string
  accepted: number = 0
  refused: number = 0
  /** Accepted, though a newer holder had written before. */
  stale: number = 0
  #greatest = 0n
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()

  private constructor(path: string) {
    this.path = path
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      createInterface({ input: socket }).on('line', (line) => {
        const { token, isFenced } = JSON.parse(line) as { token: string; isFenced: boolean }
        socket.write(this.#write(BigInt(token), isFenced) ? 'accepted\n' : 'refused\n')
      })
    })
  }

  static async open(path: string): Promise<Sink> {
    const sink = new Sink(path)
    sink.#server.listen(path)
    await once(sink.#server, 'listening')
    return sink
  }

  #write(token: bigint, isFenced: boolean): boolean {
    const isStale = token < this.#greatest
    if (isStale && isFenced) {
      this.refused += 1
      return false
    }
    this.accepted += 1
    if (isStale) this.stale += 1
    else this.#greatest = token
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
