/**
 * Finds out whether anybody accepts at an address, before gRPC is let connect to it.
 *
 * A socket that connects keeps the process alive, unref'd or not, and where packets are dropped the kernel tries for some two minutes (Linux:
 * net.ipv4.tcp_syn_retries, tcp(7)). gRPC leaves such a socket open when its channel is closed, and shows it to nobody
 * (@grpc/grpc-js 1.14). Those here are destroyed as soon as nobody waits for them.
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

/** What gRPC calls a target: `dns:host:port`. Undefined for what is no host with a port. */
export function parseTarget(text: string): Target | undefined {
  const match = /^dns:(?:\[([\da-f:.]+)\]|([^:/[\]]+)):(\d+)$/i.exec(text)
  return match === null ? undefined : { host: match[1] ?? match[2]!, port: Number(match[3]) }
}

/**
 * Of a name with several addresses all are tried at once, and the first one that accepts is enough: as for gRPC, which has a try at each, one
 * after the other. So where one of them drops packets, gRPC may still have a socket that connects to it.
 */
export class Probe {
  readonly #accepted: Promise<void>
  readonly #settle: (error?: Error) => void
  readonly #target: Target
  readonly #tls: Settings['tls']
  readonly #sockets = new Set<net.Socket>()
  #waiting = 0
  #isOver = false

  /** @param tls where given, hands are shaken, too: etcd logs a warning for each who hangs up before that (3.4.23). */
  constructor(target: Target, tls?: Settings['tls']) {
    this.#target = target
    this.#tls = tls
    let settle: (error?: Error) => void = () => undefined
    this.#accepted = new Promise((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#settle = settle
    // Who waited may have left.
    this.#accepted.catch(() => undefined)
    lookup(target.host, { all: true }, (error, addresses) => {
      if (this.#isOver) return
      if (error !== null) this.end(unanswered(error.message))
      else this.#connect(addresses.map(({ address }) => address))
    })
  }

  /** Whether another one is needed to find anything out. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Until somebody accepts. @param leaving is cancelled when it is waited for no longer. @throws `unanswered`. */
  async wait(leaving: Cancellation): Promise<void> {
    this.#waiting += 1
    leaving.listen(() => {
      this.#waiting -= 1
      if (this.#waiting === 0) this.end(unanswered('nobody waits for the connection any more'))
    })
    await this.#accepted
  }

  /** @param error for those who wait. Default: somebody has accepted. */
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
        // While it connects, that would not help.
        socket.unref()
        if (this.#tls === undefined) this.end()
      })
      socket.on('secureConnect', () => this.#endAfter(socket))
      socket.on('error', ({ message }) => {
        failures.push(message)
        // What is wrong after that is for gRPC to say.
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

  /** What `socket` has still to send is sent. */
  #endAfter(socket: net.Socket): void {
    this.#sockets.delete(socket)
    socket.destroySoon()
    this.end()
  }
}
