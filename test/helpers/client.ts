/** Controls a process that runs test/fixtures/client.ts. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { createInterface } from 'node:readline'
import { programPath } from './built.ts'
import type { ClientEvent, Command } from './commands.ts'
import type { Journal } from './journal.ts'
import { Party } from './party.ts'
import { killIfThere, untilStopped } from './proc.ts'
import type { Runtime } from './runtime.ts'
import { USUAL } from './runtime.ts'
import { DEADLINE_MS, within } from './until.ts'

export interface ClientOptions {
  /** The command to run instead of `node FIXTURE`, which are its last arguments. */
  readonly wrapper?: readonly string[]
  readonly runtime?: Runtime
  /** The URL of a module to preload. */
  readonly preload?: string
  readonly uid?: number
  readonly gid?: number
  readonly cwd?: string
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

interface Awaited {
  readonly matches: (event: ClientEvent) => boolean
  readonly resolve: (event: ClientEvent) => void
  readonly reject: (error: Error) => void
}

export class Client extends Party {
  readonly name: string
  /** The process id; of the wrapper, if there is one. */
  readonly pid: number
  override ticketPid: number = -1
  /** How it ended; undefined while it runs. */
  exit: Exit | undefined
  /** True if it is expected to end. Any other end is a crash. */
  mayEnd = false
  readonly #journal: Journal
  readonly #process: ChildProcess
  /** With a wrapper, signals go to the process group. */
  readonly #isGroup: boolean
  readonly #input: Writable
  readonly #events: ClientEvent[] = []
  readonly #log: string[] = []
  readonly #ended: Promise<Exit>
  readonly #awaited = new Set<Awaited>()
  #stderr = ''

  constructor(name: string, journal: Journal, options: ClientOptions) {
    super()
    this.name = name
    this.#journal = journal
    journal.write({ kind: '*', who: name })
    const { wrapper = [], runtime = USUAL, preload, ...rest } = options
    const fixture = programPath('test/fixtures/client.js')
    const first = preload === undefined ? [] : [runtime.preload, preload]
    const [command, ...parameters] = [...wrapper, ...runtime.command, ...first, fixture, name, journal.file]
    this.#isGroup = wrapper.length > 0
    const env = { ...process.env, ...runtime.env }
    this.#process = spawn(command, parameters, { ...rest, env, stdio: 'pipe', detached: this.#isGroup })
    this.pid = this.#process.pid ?? -1
    this.#input = this.#process.stdin!
    // A process that has ended doesn't read; the report of `next` is more useful.
    this.#input.on('error', () => {})
    this.#ended = this.#watch(this.#process.stdout!, this.#process.stderr!)
  }

  override send(...commands: readonly Command[]): void {
    if (commands.some((command) => command.do === 'exit' || command.do === 'throw' || command.do === 'detach'))
      this.mayEnd = true
    this.#input.write(commands.map((command) => `${JSON.stringify(command)}\n`).join(''))
  }

  override async next(event: string, as?: string): Promise<ClientEvent> {
    return await this.nextOf(undefined, event, as)
  }

  /** Like next, for one of its threads. */
  async nextOf(thread: string | undefined, event: string, as?: string): Promise<ClientEvent> {
    const names = event.split('|')
    const matches = (said: ClientEvent): boolean =>
      names.includes(said.event) && said.thread === thread && (as === undefined || said.as === as)
    const index = this.#events.findIndex(matches)
    if (index !== -1) return this.#events.splice(index, 1)[0]!
    const what = `${this.name}${thread === undefined ? '' : `/${thread}`}: '${event}'${as === undefined ? '' : ` of '${as}'`}`
    if (this.exit !== undefined) throw this.#failure(`${what} will not come`)
    return await new Promise<ClientEvent>((resolve, reject) => {
      const timer = setTimeout(
        () => settle(() => reject(this.#failure(`${what} not within ${DEADLINE_MS} ms`))),
        DEADLINE_MS,
      )
      const awaited: Awaited = {
        matches,
        resolve: (said) => settle(() => resolve(said)),
        reject: (error) => settle(() => reject(error)),
      }
      const settle = (how: () => void): void => {
        clearTimeout(timer)
        this.#awaited.delete(awaited)
        how()
      }
      this.#awaited.add(awaited)
    })
  }

  /** True if it has reported this, and nobody has taken that yet. */
  hasSaid(event: string, as?: string): boolean {
    return this.#events.some((said) => said.event === event && (as === undefined || said.as === as))
  }

  /** Resolves when it obeys commands. */
  async untilReady(): Promise<void> {
    this.ticketPid = (await this.next('ready')).pid!
  }

  async startWorker(kind: 'thread' | 'fork', name: string): Promise<WorkerClient> {
    this.send({ do: kind, thread: name })
    const { pid } = await this.nextOf(name, 'ready')
    return new WorkerClient(this, name, pid!)
  }

  /** kill -9, and waits until it is dead. */
  async kill(): Promise<void> {
    if (this.exit === undefined) this.#journal.write({ kind: '!', who: this.name })
    this.mayEnd = true
    if (this.exit === undefined) killIfThere(this.#isGroup ? -this.pid : this.pid)
    await this.ended()
  }

  /** Resolves when it has ended. */
  async ended(): Promise<Exit> {
    return await within(this.#ended, () => this.#failure(`${this.name} has not ended within ${DEADLINE_MS} ms`))
  }

  /** Sends a signal that may end it. */
  signal(signal: NodeJS.Signals): void {
    this.mayEnd = true
    this.#journal.write({ kind: '!', who: this.name })
    this.#process.kill(signal)
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGSTOP')
    await untilStopped(this.pid)
  }

  /** Resolves when it has stopped itself, as its plan of steps says. */
  async untilStopped(): Promise<void> {
    await this.next('stopping')
    await untilStopped(this.pid)
  }

  continue(): void {
    this.#process.kill('SIGCONT')
  }

  /** Closes its input of commands. */
  endInput(): void {
    this.#input.end()
  }

  /** All its events, for messages. */
  log(): string {
    return `${this.#log.join('\n')}\n${this.#stderr}`
  }

  async #watch(stdout: Readable, stderr: Readable): Promise<Exit> {
    stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    createInterface({ input: stdout }).on('line', (line) => this.#onLine(line))
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      this.#process.once('error', (error) => {
        this.#stderr += String(error)
        resolve([null, null])
      })
      this.#process.once('close', (...how) => resolve(how))
    })
    this.exit = { code, signal, stderr: this.#stderr }
    for (const { reject } of this.#awaited) reject(this.#failure(`${this.name} has ended`))
    return this.exit
  }

  #onLine(line: string): void {
    this.#log.push(line)
    const said = JSON.parse(line) as ClientEvent
    for (const awaited of this.#awaited) if (awaited.matches(said)) return awaited.resolve(said)
    this.#events.push(said)
  }

  #failure(message: string): Error {
    const how = this.exit === undefined ? 'it runs' : `it ended with ${this.exit.code ?? this.exit.signal}`
    return new Error(`${message}; ${how}; it said:\n${this.log()}`)
  }
}

/** A worker of a client: a thread, or a process of its cluster. */
export class WorkerClient extends Party {
  override readonly ticketPid: number
  readonly #client: Client
  readonly #thread: string

  constructor(client: Client, thread: string, pid: number) {
    super()
    this.ticketPid = pid
    this.#client = client
    this.#thread = thread
  }

  override send(...commands: readonly Command[]): void {
    this.#client.send(...commands.map((command) => ({ do: 'to' as const, thread: this.#thread, command })))
  }

  override async next(event: string, as?: string): Promise<ClientEvent> {
    return await this.#client.nextOf(this.#thread, event, as)
  }

  async terminate(): Promise<void> {
    this.#client.send({ do: 'terminate', thread: this.#thread })
    await this.#client.nextOf(this.#thread, 'terminated')
  }
}
