/** The real `etcd grpc-proxy`, in front of one server. It ends with `close`, and with this process. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { until } from '../../helpers/until.ts'
import type { Address } from './free-address.ts'
import { freeAddress } from './free-address.ts'

export class EtcdGrpcProxy implements AsyncDisposable {
  /** `http://host:port`. */
  readonly address: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, { host, port }: Address) {
    this.#child = child
    this.address = `http://${host}:${port}`
  }

  static async open(target: string): Promise<EtcdGrpcProxy> {
    const address = await freeAddress()
    const parameters = [
      'grpc-proxy',
      'start',
      '--endpoints',
      new URL(target).host,
      '--listen-addr',
      `${address.host}:${address.port}`,
    ]
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...parameters], { stdio: 'ignore' })
    const proxy = new EtcdGrpcProxy(child, address)
    await until('the proxy listens', async () => {
      if (child.exitCode !== null) throw new Error(`etcd grpc-proxy has ended with status ${child.exitCode}`)
      return await accepts(address)
    })
    return proxy
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

async function accepts({ host, port }: Address): Promise<boolean> {
  const socket = net.connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
