/** A process that isn't a member, and listens where a ticket leads to: to others, it looks like a live ticket. */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { clockNumber, kernelId } from '../../src/engines/local/platform/kernel.ts'
import type { TicketName } from '../../src/engines/local/ticket-name.ts'
import { formatTicketName, ticketId } from '../../src/engines/local/ticket-name.ts'
import type { Scene } from './scenario.ts'
import { Stranger } from './stranger.ts'
import type { StrangerStep } from './stranger.ts'

let count = 0

/** A ticket name that isn't in use, unless `parts` says otherwise. */
export function nameOfTicket(parts: Partial<TicketName> = {}): string {
  const member = randomBytes(6).toString('hex')
  const number = clockNumber()
  const whole = { number, member, claim: EXCLUSIVE, pid: 1, kernel: kernelId(), ...parts }
  return formatTicketName({ ...whole, id: ticketId(whole.number, whole.member) })
}

export class Impostor {
  /** Its socket, outside of any lock. */
  readonly socket: string
  readonly #server: net.Server
  readonly #connections = new Set<net.Socket>()

  private constructor(socket: string) {
    this.socket = socket
    this.#server = net.createServer((connection) => {
      this.#connections.add(connection)
      connection.on('close', () => this.#connections.delete(connection))
      connection.on('error', () => {})
      connection.resume()
    })
  }

  /** Accepts, and sends nothing. */
  static async listen(scene: Scene): Promise<Impostor> {
    count += 1
    const impostor = new Impostor(join(scene.directory, `impostor-${count}`))
    await new Promise<void>((resolve) => impostor.#server.listen(impostor.socket, resolve))
    scene.onEnd(() => impostor.die())
    return impostor
  }

  /** Does this on each connection. `accepts: false`: closes it immediately. */
  answer(steps: readonly StrangerStep[], words: Readonly<Record<string, string>>): void {
    this.#server.on('connection', (connection: net.Socket) => {
      const stranger = new Stranger(connection)
      void (async () => {
        for (const step of steps) await stranger.take(step, words)
      })()
    })
  }

  /** Makes a link to its socket there. */
  stand(path: string): void {
    fs.linkSync(this.socket, path)
  }

  /** Stops listening; the links stay. */
  die(): void {
    this.#server.close()
    for (const connection of this.#connections) connection.destroy()
  }
}
