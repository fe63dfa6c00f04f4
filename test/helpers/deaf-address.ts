/**
 * An address that drops packets, like a machine that is gone: a listening socket with a full queue (Linux drops what comes
 * then, tcp(7), net.ipv4.tcp_abort_on_overflow), since its process is stopped. It accepts again on command.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import { until } from './until.ts'

/** One more than there is room for. */
const BACKLOG = 1
const PROGRAM = `
const server = require('node:net').createServer((socket) => socket.on('error', () => {}))
server.listen({ port: 0, host: '127.0.0.1', backlog: ${BACKLOG} }, () => console.log(server.address().port))
process.stdin.resume().on('end', () => process.exit())
`

export function reasonWithoutDeafAddress(): string | false {
  return process.platform === 'linux' ? false : 'a queue that is full drops packets on Linux'
}

export class DeafAddress implements AsyncDisposable {
  readonly host: string = '127.0.0.1'
  readonly port: number
  readonly #child: ChildProcess
  readonly #fillers: readonly net.Socket[]

  private constructor(child: ChildProcess, port: number, fillers: readonly net.Socket[]) {
    this.#child = child
    this.port = port
    this.#fillers = fillers
  }

  static async open(): Promise<DeafAddress> {
    const child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(String(line))
    child.kill('SIGSTOP')
    await until('it is stopped', () => /\) T /.test(fs.readFileSync(`/proc/${child.pid}/stat`, 'latin1')))
    const fillers: net.Socket[] = []
    for (let index = 0; index <= BACKLOG; index += 1) {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {})
      fillers.push(socket)
      await once(socket, 'connect')
    }
    return new DeafAddress(child, port, fillers)
  }

  /** `host:port`. */
  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** Accepts from now on: the kernel sends again what was dropped. */
  listen(): void {
    this.#child.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#fillers) socket.destroy()
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}
