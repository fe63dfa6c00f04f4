/** One client, as the director sees it: a process, its worker threads, and the workers of its cluster. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ClientConfig, Order, Report } from './client/config.ts'
import type { Habitat } from './plan.ts'
import type { TraceWriter } from './trace/writer.ts'

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What precedes `node` on the command line. Both start a process group, so that one signal reaches all of it. */
const WRAPPERS: Readonly<Partial<Record<Habitat, readonly string[]>>> = {
  container: ['unshare', '-p', '-f', '-n', '-m', '--mount-proc', '--kill-child'],
  clock: ['unshare', '-T', '-f', '--kill-child', '--monotonic'],
}

export class TortureProcess {
  readonly name: string
  readonly habitat: Habitat
  readonly ended: Promise<Exit>
  /** Resolves when the client has reported that it runs. */
  isReady = false
  /** True if the client is expected to end, by a signal or by an order. */
  isDoomed = false
  isStopped = false
  exit: Exit | undefined
  stderr = ''
  /** The process ids of the workers of its cluster, by name. */
  readonly workers: Map<string, number> = new Map()
  readonly #process: ChildProcess
  readonly #trace: TraceWriter

  constructor(main: string, habitat: Habitat, config: ClientConfig, trace: TraceWriter) {
    this.name = config.name
    this.habitat = habitat
    this.#trace = trace
    const wrapper = WRAPPERS[habitat] ?? []
    const offset = habitat === 'clock' ? [String(config.clockOffsetSeconds)] : []
    const [command, ...parameters] = [...wrapper, ...offset, process.execPath, main, JSON.stringify(config)]
    trace.write({ kind: 'start', whom: this.name })
    this.#process = spawn(command, parameters, { stdio: 'pipe', detached: true })
    // The process may have ended already.
    this.#process.stdin!.on('error', () => {})
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#onReport(JSON.parse(line) as Report))
    this.ended = this.#untilEnded()
  }

  get isRunning(): boolean {
    return this.isReady && !this.isDoomed && !this.isStopped && this.exit === undefined
  }

  order(order: Order): void {
    if (order.do === 'exit' || order.do === 'throw') this.isDoomed = true
    this.#process.stdin!.write(`${JSON.stringify(order)}\n`)
  }

  /** Sends a signal that ends the process and all workers of its cluster. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): void {
    if (this.exit !== undefined) return
    this.isDoomed = true
    this.#trace.write({ kind: 'kill all', whom: this.name })
    this.#signal(signal)
  }

  /** Ends only this process. Workers of its cluster end by themselves when it is gone. */
  killAlone(): void {
    if (this.exit !== undefined) return
    this.isDoomed = true
    this.#trace.write({ kind: 'kill', whom: this.name })
    this.#process.kill('SIGKILL')
  }

  stop(): void {
    this.isStopped = true
    for (const whom of [this.name, ...this.workers.keys()]) this.#trace.write({ kind: 'stop', whom })
    this.#signal('SIGSTOP')
  }

  continue(): void {
    if (!this.isStopped) return
    this.isStopped = false
    this.#signal('SIGCONT')
    for (const whom of [this.name, ...this.workers.keys()]) this.#trace.write({ kind: 'go', whom })
  }

  /** Kills one worker of its cluster. */
  killWorker(name: string): void {
    this.#trace.write({ kind: 'kill', whom: name })
    try {
      process.kill(this.workers.get(name)!, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Signals the process group: it includes the workers of a cluster, and the processes of a container. */
  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.#process.pid!, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  #onReport({ name, pid }: Report): void {
    if (name === this.name) this.isReady = true
    else this.workers.set(name, pid)
  }

  async #untilEnded(): Promise<Exit> {
    const exit = await new Promise<Exit>((resolve, reject) => {
      this.#process.once('error', reject)
      // Resolves when all of its standard streams are closed, by its workers too.
      this.#process.once('close', (code, signal) => resolve({ code, signal }))
    })
    for (const whom of [this.name, ...this.workers.keys()]) this.#trace.write({ kind: 'dead', whom })
    this.exit = exit
    return exit
  }
}
