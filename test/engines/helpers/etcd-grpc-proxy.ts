/** The real `etcd grpc-proxy`, in front of one server. It ends with `close`, and with this process. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { until } from '../../helpers/until.ts'

export class EtcdGrpcProxy implements AsyncDisposable {
  /** `http://host:port`. */
  readonly address: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.address = `http://127.0.0.1:${port}`
  }

  static async open(target: string): Promise<EtcdGrpcProxy> {
    const port = await freePort()
    const parameters = [
      'grpc-proxy',
      'start',
      '--endpoints',
      new URL(target).host,
      '--listen-addr',
      `127.0.0.1:${port}`,
    ]
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...parameters], { stdio: 'ignore' })
    const proxy = new EtcdGrpcProxy(child, port)
    await until('the proxy listens', async () => {
      if (child.exitCode !== null) throw new Error(`etcd grpc-proxy has ended with status ${child.exitCode}`)
      return await accepts(port)
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

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function accepts(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
