/** The place of one test: its servers, its clients, their trace. All of it is gone afterwards, and the trace has been checked. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientOptions, EngineSpec } from './client.ts'
import { Client } from './client.ts'
import { check } from './check.ts'
import { orderOf, ticketsOf } from './queue-history.ts'
import { Servers } from './servers.ts'
import type { Server } from './servers.ts'
import type { Line } from './trace.ts'
import { DIRECTOR, readTrace } from './trace.ts'

export class Arena {
  readonly servers: Servers
  readonly #directory: string = fs.mkdtempSync(join(tmpdir(), 'slocket-arena-'))
  readonly #clients: Client[] = []
  readonly #closing: AsyncDisposable[] = []

  private constructor(servers: Servers) {
    this.servers = servers
  }

  /** @param server which is started for this test alone. */
  static async open(server: Server): Promise<Arena> {
    return new Arena(await Servers.start(server))
  }

  path(name: string): string {
    return join(this.#directory, name)
  }

  /** Closes it with the rest, before the servers. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#closing.unshift(resource)
    return resource
  }

  start(name: string, engine: EngineSpec, options: Pick<ClientOptions, 'sink' | 'wrapper'> = {}): Client {
    const client = new Client(name, { engine, traceFile: this.traceFile, ...options })
    this.#clients.push(client)
    return client
  }

  get traceFile(): string {
    return this.path('trace')
  }

  get trace(): readonly Line[] {
    return readTrace(this.traceFile)
  }

  /** What is wrong with the trace, so far. */
  findings(): string[] {
    return check(this.trace)
  }

  /** Records what is done to clients, servers and networks. Call it right before. */
  note(line: Omit<Line, 'at' | 'who'>): void {
    const whole: Line = { at: String(process.hrtime.bigint()), who: DIRECTOR, ...line }
    fs.appendFileSync(this.traceFile, `${JSON.stringify(whole)}\n`)
  }

  async close(): Promise<void> {
    const closed = await Promise.allSettled(this.#clients.map((client) => client.close()))
    for (const one of this.#closing) closed.push(...(await Promise.allSettled([one[Symbol.asyncDispose]()])))
    closed.push(...(await Promise.allSettled([this.servers.close()])))
    fs.rmSync(this.#directory, { recursive: true, force: true })
    const failed = closed.find((outcome) => outcome.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Runs `body` in an arena, and checks what its clients have written. */
export async function inArena(server: Server, body: (arena: Arena) => Promise<void>): Promise<void> {
  await using arena = await Arena.open(server)
  await body(arena)
  assert.deepEqual(arena.findings(), [])
  if (server !== 'etcd' && server !== 'cluster') return
  assert.deepEqual(orderOf(arena.trace, await ticketsOf(arena.servers.addressOf(server))).findings, [])
}
