/** Drives one process that runs programs/client.ts. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until, within } from '../../helpers/until.ts'
import type { Event, Line, Order } from './trace.ts'

/** The engine that a client opens: `etcd` with what `etcd()` takes, …; `redis` with a URL, and `by`, if the program has a client of its own. */
export interface EngineSpec {
  readonly kind: 'etcd' | 'postgres' | 'redis'
  readonly options: unknown
}

export interface ClientOptions {
  readonly engine: EngineSpec
  readonly traceFile: string
  /** The path of a sink's socket. */
  readonly sink?: string
  /** What to run in place of `node PROGRAM`: gets those as its last arguments. */
  readonly wrapper?: readonly string[]
}

export class Client {
  readonly name: string
  readonly pid: number
  hasEnded: boolean = false
  readonly #child: ChildProcessWithoutNullStreams
  readonly #said: Line[] = []
  readonly #ended: Promise<void>
  #stderr = ''

  constructor(name: string, { engine, traceFile, sink = '', wrapper = [] }: ClientOptions) {
    this.name = name
    const program = fileURLToPath(new URL('../programs/client.js', import.meta.url))
    const [command, ...parameters] = [
      ...wrapper,
      process.execPath,
      program,
      name,
      traceFile,
      JSON.stringify(engine),
      sink,
    ]
    this.#child = spawn(command, parameters, { stdio: 'pipe' })
    this.pid = this.#child.pid ?? -1
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#said.push(JSON.parse(line) as Line))
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => (this.#stderr += error.message))
      this.#child.once('close', () => {
        this.hasEnded = true
        resolve()
      })
    })
  }

  /** For a wrapper that reads lines before the program does. */
  type(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  send(...orders: readonly Order[]): void {
    for (const order of orders) this.type(JSON.stringify(order))
  }

  /** What it has said so far, of this kind. */
  said(event: Event, as?: string): readonly Line[] {
    return this.#said.filter((line) => line.event === event && (as === undefined || line.as === as))
  }

  /** The first line of this kind, once it has been said. */
  async says(event: Event, as?: string): Promise<Line> {
    return await this.saysAgain(event, 0, as)
  }

  /** As says, of the one after `count` others. */
  async saysAgain(event: Event, count: number, as?: string): Promise<Line> {
    return await until(`${this.name} says '${event}' (${count} before)`, () => {
      const line = this.said(event, as)[count]
      if (line === undefined && this.hasEnded) throw new Error(`${this.name} has ended: ${this.#stderr}`)
      return line
    }).catch((error: unknown) => {
      const said = JSON.stringify(this.#said.slice(-5))
      throw new Error(`${String(error)}; it said ${said}; ${this.#describeProcess()} ${this.#stderr}`, { cause: error })
    })
  }

  /** Distinguishes a process that hangs from a process that the machine has not run. */
  #describeProcess(): string {
    let stat: string
    try {
      stat = fs.readFileSync(`/proc/${this.pid}/stat`, 'latin1')
    } catch {
      return 'its process has ended'
    }
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // utime and stime, in ticks of 10 ms: proc_pid_stat(5).
    const seconds = (Number(rest[10]) + Number(rest[11])) / 100
    return `its process is in state ${state} and has had ${seconds} s of processor time`
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Its loop comes to its end. */
  async endLoop(): Promise<void> {
    this.send({ do: 'end' })
    await this.says('ended')
  }

  async close(): Promise<void> {
    this.kill('SIGKILL')
    await within(this.#ended, () => new Error(`${this.name} has not ended`))
  }
}
