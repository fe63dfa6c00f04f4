/** Controls a client, a process or a worker thread, that runs test/fixtures/web-client.ts. */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import test from 'node:test'
import { Worker } from 'node:worker_threads'
import type { LockAccess, LockManagerSnapshot, LockMode } from '../../src/index.ts'
import { programPath } from './built.ts'
import type { StepPlan } from './commands.ts'
import { within } from './until.ts'

export interface PlainLockOptions {
  readonly mode?: LockMode
  readonly ifAvailable?: boolean
  readonly steal?: boolean
}

export type WebOrder =
  | {
      readonly do: 'request'
      readonly as: string
      readonly name: string
      readonly options?: PlainLockOptions
      readonly abortable?: boolean
      /** The callback creates this file, and blocks the event loop until it is removed. */
      readonly blockUntil?: string
    }
  | { readonly do: 'end'; readonly as: string; readonly value?: unknown }
  | { readonly do: 'fail'; readonly as: string; readonly message: string }
  | { readonly do: 'abort'; readonly as: string; readonly reason?: unknown }
  | { readonly do: 'query'; readonly as: string }
  | { readonly do: 'block'; readonly ms: number; readonly file: string }
  | { readonly do: 'block-until'; readonly file: string }
  | { readonly do: 'once'; readonly as: string; readonly names: readonly string[] }
  /** For a process with the steps preloaded (fixtures/steps.ts): what happens at which step, counted from now on. */
  | { readonly do: 'plan'; readonly plan: StepPlan }
  | { readonly do: 'descriptors' | 'exit' }

export type WebEvent = { readonly as: string } & (
  | { readonly event: 'ready' | 'unblocked' }
  | { readonly event: 'called'; readonly lock: { readonly name: string; readonly mode: LockMode } | null }
  | { readonly event: 'resolved'; readonly value: unknown }
  | { readonly event: 'rejected'; readonly kind: string; readonly code: number; readonly message: string }
  | { readonly event: 'snapshot'; readonly snapshot: LockManagerSnapshot }
  | { readonly event: 'descriptors'; readonly count: number }
  | { readonly event: 'unhandled'; readonly message: string }
)

type Named<Kind extends WebEvent['event']> = Extract<WebEvent, { readonly event: Kind }>

export type ContextKind = 'process' | 'thread'
/** What clients are: processes, or worker threads of one process, as in test/web-locks/threads.long.test.ts. */
const CLIENTS: ContextKind = process.env['SLOCKET_TEST_WEB_CLIENTS'] === 'threads' ? 'thread' : 'process'

/** How many events a failure shows. */
const MOST_SHOWN = 5

const FIXTURE = programPath('test/fixtures/web-client.js')
/** The environment, without the variables of the test's own process: its reporter would empty the file that it reports to. */
const USUAL_ARGUMENTS = process.execArgv.filter((parameter) => !parameter.startsWith('--test-reporter'))

/** A process, and what it reports about others. */
export interface WebUser {
  readonly uid: number
  readonly gid: number
  readonly access: LockAccess
  /** In octal. */
  readonly umask: string
}

export class WebClient {
  readonly #peer: ChildProcess | Worker
  readonly #ended: Promise<void>
  #events: WebEvent[] = []
  #onEvent: (() => void)[] = []
  #asked = 0

  /**
   * @param preloads modules for a process to load before all others.
   * @param user the user that a process runs as.
   */
  constructor(kind: ContextKind, root: string, preloads: readonly string[] = [], user?: WebUser) {
    const execArgv = preloads.length === 0 ? USUAL_ARGUMENTS : preloads.flatMap((preload) => ['--import', preload])
    // Its standard output has only what the steps report, which nobody reads here.
    const forked = (): ChildProcess =>
      fork(FIXTURE, user === undefined ? [root] : [root, user.access, user.umask], {
        ...user,
        execArgv,
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
    this.#peer = kind === 'process' ? forked() : new Worker(FIXTURE, { workerData: [root] })
    this.#peer.on('message', (event: WebEvent) => {
      this.#events.push(event)
      for (const look of this.#onEvent.splice(0)) look()
    })
    this.#ended = new Promise((resolve) => this.#peer.once('exit', () => resolve()))
  }

  /** Of a process. */
  get pid(): number {
    return (this.#peer as ChildProcess).pid!
  }

  /** True if it has died. */
  get isDead(): boolean {
    return !(this.#peer instanceof Worker) && (this.#peer.exitCode ?? this.#peer.signalCode) !== null
  }

  /** After a stop. */
  continue(): void {
    process.kill(this.pid, 'SIGCONT')
  }

  send(...orders: readonly WebOrder[]): void {
    if (this.#peer instanceof Worker) this.#peer.postMessage(orders)
    else this.#peer.send(orders)
  }

  /** The first event of this kind, now or later. */
  async next<Kind extends WebEvent['event']>(event: Kind, as = ''): Promise<Named<Kind>> {
    const find = async (): Promise<Named<Kind>> => {
      for (;;) {
        const index = this.#events.findIndex((one) => one.event === event && one.as === as)
        if (index !== -1) return this.#events.splice(index, 1)[0] as Named<Kind>
        await new Promise<void>((resolve) => this.#onEvent.push(resolve))
      }
    }
    return await within(find(), () => new Error(`no '${event}' of '${as}' came; last came: ${this.#tail()}`))
  }

  #tail(): string {
    return JSON.stringify(this.#events.slice(-MOST_SHOWN))
  }

  /** True if such an event has come. */
  has(event: WebEvent['event'], as = ''): boolean {
    return this.#events.some((one) => one.event === event && one.as === as)
  }

  /** Takes the lock, and holds it until `end`. */
  async hold(name: string, options: PlainLockOptions = {}, as: string = name): Promise<void> {
    this.send({ do: 'request', as, name, options })
    await this.next('called', as)
  }

  /** Requests the lock. Resolves when the request is in the queue. */
  async wait(name: string, options: PlainLockOptions = {}, as: string = name): Promise<void> {
    this.send({ do: 'request', as, name, options, abortable: options.steal !== true })
    await this.query()
  }

  /** True if it would get the lock at once. */
  async isAvailable(name: string, mode: LockMode = 'exclusive'): Promise<boolean> {
    const as = `try-${(this.#asked += 1)}`
    this.send({ do: 'request', as, name, options: { mode, ifAvailable: true } })
    const { lock } = await this.next('called', as)
    if (lock !== null) this.send({ do: 'end', as })
    await this.next('resolved', as)
    return lock !== null
  }

  /** Ends the callback, and waits until its request has settled. */
  async end(name: string, value?: unknown): Promise<unknown> {
    this.send({ do: 'end', as: name, value })
    return (await this.next('resolved', name)).value
  }

  async query(): Promise<LockManagerSnapshot> {
    const as = `query-${(this.#asked += 1)}`
    this.send({ do: 'query', as })
    return (await this.next('snapshot', as)).snapshot
  }

  /** SIGKILL, or `worker.terminate()`. */
  async kill(): Promise<void> {
    if (this.#peer instanceof Worker) await this.#peer.terminate()
    else this.#peer.kill('SIGKILL')
    await this.#ended
  }

  /** SIGKILL or `terminate`, without waiting for the end. */
  killNow(): void {
    if (this.#peer instanceof Worker) void this.#peer.terminate()
    else this.#peer.kill('SIGKILL')
  }

  async exited(): Promise<void> {
    await this.#ended
  }
}

/** A root, and clients that use it. */
export class WebScene {
  readonly directory: string = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-web-'))
  readonly root: string = path.join(this.directory, 'root')
  readonly kind: ContextKind
  readonly #clients: WebClient[] = []

  constructor(kind: ContextKind) {
    this.kind = kind
  }

  async start(kind: ContextKind = this.kind, ...preloads: string[]): Promise<WebClient> {
    const client = new WebClient(kind, this.root, preloads)
    this.#clients.push(client)
    await client.next('ready')
    return client
  }

  /** A process of another user. */
  async startAs(user: WebUser, preload?: string): Promise<WebClient> {
    const client = new WebClient('process', this.root, preload === undefined ? [] : [preload], user)
    this.#clients.push(client)
    await client.next('ready')
    return client
  }

  async startAll(count: number): Promise<WebClient[]> {
    return await Promise.all(Array.from({ length: count }, () => this.start()))
  }

  async close(): Promise<void> {
    const unhandled = this.#clients.some((client) => client.has('unhandled'))
    await Promise.all(this.#clients.map((client) => client.kill()))
    fs.rmSync(this.directory, { recursive: true, force: true })
    if (unhandled) throw new Error('a rejection was not handled')
  }
}

/** A test between processes; threads.long.test.ts runs it between worker threads, too. */
export function betweenClients(
  name: string,
  play: (scene: WebScene) => Promise<void>,
  options: { readonly skip?: string | false } = {},
): void {
  testIn(CLIENTS, `${name} (${CLIENTS === 'process' ? 'processes' : 'threads'})`, play, options)
}

/** A test only between processes. */
export function betweenProcesses(name: string, play: WebPlay): void
export function betweenProcesses(name: string, options: { readonly skip: string | false }, play: WebPlay): void
export function betweenProcesses(
  name: string,
  ...rest: [WebPlay] | [{ readonly skip: string | false }, WebPlay]
): void {
  const [options, play] = rest.length === 1 ? [{}, rest[0]] : rest
  testIn('process', name, play, options)
}

type WebPlay = (scene: WebScene, t: TestContext) => Promise<void>

function testIn(
  kind: ContextKind,
  name: string,
  play: WebPlay,
  options: { readonly skip?: string | false } = {},
): void {
  test(name, options, async (t) => {
    const scene = new WebScene(kind)
    try {
      await play(scene, t)
    } finally {
      await scene.close()
    }
  })
}
