/** A test with real processes: its own directory, processes that obey commands, and an end to all of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import test from 'node:test'
import type { ClientOptions } from './client.ts'
import { Client } from './client.ts'
import { Journal } from './journal.ts'

export class Scene {
  /** Empty at first; removed at the end. */
  readonly directory: string = mkdtempSync(join(tmpdir(), 'slocket-crash-'))
  /** The path for a lock. Nothing is there yet. */
  readonly path: string = join(this.directory, 'lock')
  /** A file for `contend`. */
  readonly counter: string = join(this.directory, 'counter')
  /** For `{ do: 'block', until: scene.goOn }`, which ends with `scene.unblock()`. */
  readonly goOn: string = join(this.directory, 'go-on')
  readonly journal: Journal = new Journal(join(this.directory, 'journal'))
  readonly test: TestContext
  readonly #clients: Client[] = []
  readonly #ends: (() => void | Promise<void>)[] = []

  constructor(context: TestContext) {
    this.test = context
  }

  /** Starts a process, and waits until it obeys commands. */
  async spawn(name: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(name, this.journal, options)
    this.#clients.push(client)
    await client.untilReady()
    return client
  }

  /** Starts several at once. */
  async spawnAll<const Names extends readonly string[]>(...names: Names): Promise<{ [Name in keyof Names]: Client }> {
    return (await Promise.all(names.map((name) => this.spawn(name)))) as { [Name in keyof Names]: Client }
  }

  unblock(): void {
    writeFileSync(this.goOn, '')
  }

  /** Calls `end` before the scene's directory is removed; the last one is called first. */
  onEnd(end: () => void | Promise<void>): void {
    this.#ends.push(end)
  }

  /** Fails if a process has crashed, or if two held at the same time. */
  verify(): void {
    this.verifyClients()
    this.journal.verify()
  }

  /** Fails if a process has crashed. */
  verifyClients(): void {
    for (const client of this.#clients) {
      if (client.exit === undefined || client.mayEnd) continue
      throw new Error(`${client.name} ended with ${client.exit.code ?? client.exit.signal}:\n${client.log()}`)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.kill()))
    for (const end of this.#ends.reverse()) await end()
    this.journal.close()
    rmSync(this.directory, REMOVE)
  }

  /** For an unexpected end of the test's own process: as much of `close` as is possible synchronously. */
  killAll(): void {
    for (const client of this.#clients) if (client.exit === undefined) client.signal('SIGKILL')
    rmSync(this.directory, REMOVE)
  }
}

export interface ScenarioOptions {
  /** The reason why it can't run here. */
  readonly skip?: string | false
}

/** The reason why a process can't be stopped here; false if it can. */
export const NO_STOPS: string | false = process.platform === 'win32' && 'Windows has no SIGSTOP'

/** Options to remove a directory while other processes may still be closing its files. */
const REMOVE = { recursive: true, force: true, maxRetries: process.platform === 'win32' ? 20 : 0 }

type Play = (scene: Scene) => Promise<void>

/** `name` is a sentence that describes behaviour. */
export function scenario(name: string, play: Play): void
export function scenario(name: string, options: ScenarioOptions, play: Play): void
export function scenario(name: string, ...rest: [Play] | [ScenarioOptions, Play]): void {
  const [{ skip = false }, play] = rest.length === 1 ? [{}, rest[0]] : rest
  test(name, { skip }, async (context) => {
    const scene = new Scene(context)
    const killAll = (): void => scene.killAll()
    process.on('exit', killAll)
    try {
      await play(scene)
      scene.verify()
    } finally {
      await scene.close()
      process.off('exit', killAll)
    }
  })
}
