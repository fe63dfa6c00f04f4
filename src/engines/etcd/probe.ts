/**
 * Finds out whether a server accepts at an address, before gRPC connects to it.
 *
 * A socket that is connecting keeps the process alive, unref'd or not, and if packets are dropped, the kernel retries for about two minutes (Linux:
 * net.ipv4.tcp_syn_retries, tcp(7)). gRPC leaves such a socket open when its channel is closed, and gives no access to it
 * (@grpc/grpc-js 1.14). The sockets here are destroyed as soon as nobody waits for them.
 */
import { lookup } from 'node:dns'
import net from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Cancellation } from '../../requests/cancellation.ts'
import type { Settings } from './options.ts'
import { unanswered } from './refusal.ts'

export interface Target {
  readonly host: string
  readonly port: number
}

/** Parses what gRPC calls a target: `dns:host:port`. Undefined if it isn't a host with a port. */
export function parseTarget(text: string): Target | undefined {
  const match = /^dns:(?:\[([\da-f:.]+)\]|([^:/[\]]+)):(\d+)$/i.exec(text)
  return match === null ? undefined : { host: match[1] ?? match[2]!, port: Number(match[3]) }
}

/**
 * If a name has several addresses, all are tried at once, and it is enough if one accepts: it is for gRPC, too, which tries each, one
 * after the other. So if one of them drops packets, gRPC may still have a socket that is connecting to it.
 */
export class Probe {
  readonly #accepted: Promise<void>
  readonly #settle: (error?: Error) => void
  readonly #target: Target
  readonly #tls: Settings['tls']
  readonly #sockets = new Set<net.Socket>()
  #waiting = 0
  #isOver = false

  /** @param tls if given, the probe also does the TLS handshake: etcd logs a warning for each client that disconnects before that (3.4.23). */
  constructor(target: Target, tls?: Settings['tls']) {
    this.#target = target
    this.#tls = tls
    let settle: (error?: Error) => void = () => undefined
    this.#accepted = new Promise((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#settle = settle
    // The waiters may have left.
    this.#accepted.catch(() => undefined)
    lookup(target.host, { all: true }, (error, addresses) => {
      if (this.#isOver) return
      if (error !== null) this.end(unanswered(error.message))
      else this.#connect(addresses.map(({ address }) => address))
    })
  }

  /** Whether this probe has ended, so that another one is needed. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Waits until a server accepts. @param leaving is cancelled when the caller no longer waits. @throws `unanswered`. */
  async wait(leaving: Cancellation): Promise<void> {
    this.#waiting += 1
    leaving.listen(() => {
      this.#waiting -= 1
      if (this.#waiting === 0) this.end(unanswered('no caller waits for the connection any more'))
    })
    await this.#accepted
  }

  /** @param error for the waiters. Default: a server has accepted. */
  end(error?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const socket of this.#sockets) socket.destroy()
    this.#settle(error)
  }

  #connect(hosts: readonly string[]): void {
    const failures: string[] = []
    for (const host of hosts) {
      const socket = this.#open(host)
      let isAccepted = false
      this.#sockets.add(socket)
      socket.on('connect', () => {
        isAccepted = true
        // While it was connecting, that would not have helped.
        socket.unref()
        if (this.#tls === undefined) this.end()
      })
      socket.on('secureConnect', () => this.#endAfter(socket))
      socket.on('error', ({ message }) => {
        failures.push(message)
        // gRPC reports failures after that.
        if (isAccepted) this.end()
        else if (failures.length === hosts.length) this.end(unanswered(failures.join(', ')))
      })
    }
  }

  #open(host: string): net.Socket {
    const { host: name, port } = this.#target
    if (this.#tls === undefined) return net.connect({ host, port })
    const servername = net.isIP(name) === 0 ? { servername: name } : {}
    return connectTls({ host, port, ...servername, ...this.#tls, ALPNProtocols: ['h2'] })
  }

  /** Ends `socket` after it has sent what it still has to send. */
  #endAfter(socket: net.Socket): void {
    this.#sockets.delete(socket)
    socket.destroySoon()
    this.end()
  }
}
