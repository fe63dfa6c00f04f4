/**
 * The socket or held file (platform/witness.ts) that a held ticket leads to, for a caller that passes it on to a child process: the ticket lives for as long
 * as any process has it open, whichever process made it. Once this process is gone, nothing accepts connections there; they wait in
 * the backlog, which also proves that the ticket lives.
 */
import { SlocketError, systemCode } from '../../../errors.ts'
import { DirectoryGone } from '../lock-directory.ts'
import type { LockHandle } from '../lock-handle.ts'
import type { Listener } from './listener.ts'
import { probeSocket } from '../platform/probe-socket.ts'
import { witness } from '../platform/witness.ts'
import type { OwnTicket } from '../ticket.ts'

export class TicketSocket implements LockHandle {
  /** The descriptor of this process. */
  readonly descriptors: readonly [number]
  readonly #listener: Listener
  readonly #file: string
  readonly #address: () => string

  /**
   * @param file the path of the ticket.
   * @param address where to connect to the ticket, if it is a socket.
   */
  constructor(own: OwnTicket, file: string, address: () => string) {
    this.#listener = own.listener ?? own.owner.listener
    this.#file = file
    this.#address = address
    const { held } = this.#listener
    if (held !== undefined) {
      this.descriptors = [held.descriptor]
      return
    }
    const { _handle: handle } = this.#listener.server as unknown as { _handle: { fd?: number } | null }
    if (handle?.fd === undefined || handle.fd < 0) {
      throw new SlocketError(
        'ERR_SLOCKET_UNSUPPORTED_PLATFORM',
        'this runtime does not report the descriptor of a socket',
      )
    }
    this.descriptors = [handle.fd]
  }

  /**
   * Stops listening in this process. Returns true if another process still has the socket open, so that the ticket lives on.
   *
   * RACE: a request that comes between this and the release that follows finds the ticket dead, and gets `recovered`
   * without reason. Requests that already wait are connected, and are notified of the release.
   */
  async close(): Promise<boolean> {
    this.#listener.server.close()
    this.#listener.held?.close()
    const found = witness.look(this.#file)
    if (found !== undefined) return found === 'alive'
    let address: string
    try {
      address = this.#address()
    } catch (error) {
      if (error instanceof DirectoryGone) return false
      throw error
    }
    const error = await probeSocket(address)
    // Only a refusal is proof that nobody listens; if the name is gone, nobody has the lock by it.
    return error === undefined || !NOBODY.has(systemCode(error) ?? '')
  }
}

const NOBODY: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])
