/** The place of a round: directories, small file systems and clients, and what nemeses can do to them. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Random } from '../src/testing/random.ts'
import type { ClientConfig } from './client/config.ts'
import type { Habitat, LockPlan, Place, RoundPlan } from './plan.ts'
import { TortureProcess } from './process.ts'
import { TraceWriter } from './trace/writer.ts'

/** Room for a few hundred names: 1 MiB, and 400 inodes. */
const SMALL = 'size=1m,nr_inodes=400'

export interface Arena {
  readonly random: Random
  readonly plan: RoundPlan
  readonly locks: ClientConfig['locks']
  readonly traces: string
  readonly trace: TraceWriter
  /** The clients that are alive, stopped ones too. */
  readonly clients: readonly TortureProcess[]
  /** The small file system; undefined if no lock is on one. */
  readonly small: string | undefined
  /** Keeps the other nemeses from acting for that time. */
  quiet(ms: number): Promise<void>
  /** For the totals. */
  count(what: string): void
}

export class RoundArena implements Arena {
  readonly random: Random
  readonly plan: RoundPlan
  readonly locks: ClientConfig['locks']
  readonly traces: string
  readonly trace: TraceWriter
  readonly small: string | undefined
  readonly totals: Map<string, number> = new Map()
  readonly #root: string
  readonly #main: string
  readonly #all: TortureProcess[] = []
  readonly #onUnexpectedEnd: (what: string) => void
  #isDraining = false
  #quietUntilMs = 0

  /** @param build the compiled package that the clients run. */
  constructor(build: string, plan: RoundPlan, random: Random, onUnexpectedEnd: (what: string) => void) {
    this.plan = plan
    this.random = random
    this.#onUnexpectedEnd = onUnexpectedEnd
    this.#main = path.join(build, 'torture/client/main.js')
    this.#root = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-torture-'))
    this.traces = path.join(this.#root, 'traces')
    fs.mkdirSync(this.traces)
    this.trace = new TraceWriter(this.traces, 'director')
    if (plan.locks.some(({ place }) => place === 'small')) {
      this.small = path.join(this.#root, 'small')
      fs.mkdirSync(this.small)
      execFileSync('mount', ['-t', 'tmpfs', '-o', SMALL, 'none', this.small])
    }
    this.locks = plan.locks.map((lock) => ({ ...lock, path: this.#pathOf(lock) }))
  }

  get clients(): TortureProcess[] {
    return this.#all.filter(({ exit }) => exit === undefined)
  }

  async quiet(ms: number): Promise<void> {
    this.#quietUntilMs = performance.now() + ms
    await sleep(ms)
  }

  get isQuiet(): boolean {
    return performance.now() < this.#quietUntilMs
  }

  count(what: string): void {
    this.totals.set(what, (this.totals.get(what) ?? 0) + 1)
  }

  /** Starts the planned clients. A client that was killed is replaced until the round ends. */
  start(): void {
    for (const habitat of this.plan.habitats) this.#spawn(habitat)
  }

  /** Orders all clients to end, and waits for at most `ms`. Returns those that have not ended. */
  async drain(ms: number): Promise<readonly TortureProcess[]> {
    this.#isDraining = true
    for (const client of this.clients) client.order({ do: 'drain' })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
    await Promise.race([late, Promise.all(this.clients.map(({ ended }) => ended))])
    clearTimeout(timer)
    return this.clients
  }

  /** Lists the paths of the locks, for messages. */
  show(): string {
    return this.locks.map(({ id, path: at }) => `${id} ${at}:\n${list(at)}`).join('\n')
  }

  /** Kills the clients that are left, and removes everything but the traces. */
  async close(): Promise<void> {
    for (const client of this.clients) client.kill('SIGKILL')
    await Promise.all(this.clients.map(({ ended }) => ended))
    this.trace.close()
    if (this.small !== undefined) execFileSync('umount', ['-l', this.small])
    for (const name of fs.readdirSync(this.#root)) {
      if (name !== 'traces') fs.rmSync(path.join(this.#root, name), { recursive: true, force: true })
    }
    for (const { place, path: at } of this.locks) {
      if (place === 'memory') fs.rmSync(path.dirname(at), { recursive: true, force: true })
    }
  }

  removeTraces(): void {
    fs.rmSync(this.#root, { recursive: true, force: true })
  }

  #spawn(habitat: Habitat): void {
    const { random, plan } = this
    const config: ClientConfig = {
      name: `p${this.#all.length + 1}`,
      seed: random.below(2 ** 32),
      traces: this.traces,
      locks: this.locks,
      behaviour: plan.behaviour,
      threads: habitat === 'threads' ? 1 + random.below(3) : 0,
      workers: habitat === 'cluster' ? 1 + random.below(3) : 0,
      maySuffer: 'full disk' in plan.nemeses || 'descriptors' in plan.nemeses,
      clockOffsetSeconds: habitat === 'clock' ? random.pick([1000, 100_000, -100]) : 0,
    }
    const client = new TortureProcess(this.#main, habitat, config, this.trace)
    this.#all.push(client)
    void this.#replace(client)
  }

  /** When the client has ended, starts another one in its place. */
  async #replace(client: TortureProcess): Promise<void> {
    const { code, signal } = await client.ended
    if (!client.isDoomed && !(this.#isDraining && code === 0)) {
      this.#onUnexpectedEnd(`${client.name} (${client.habitat}) ended with ${signal ?? code}:\n${client.stderr}`)
    }
    if (!this.#isDraining) this.#spawn(client.habitat)
  }

  #pathOf({ id, place }: LockPlan): string {
    const directory = this.#directoryFor(place)
    fs.mkdirSync(directory, { recursive: true })
    return path.join(directory, `${id}.lock`)
  }

  #directoryFor(place: Place): string {
    switch (place) {
      case 'disk':
        return this.#root
      case 'memory':
        return path.join('/dev/shm', path.basename(this.#root))
      case 'small':
        return this.small!
      case 'deep':
        return path.join(this.#root, 'd'.repeat(60), 'e'.repeat(60))
    }
  }
}

/** The compiled package that this file belongs to. */
export const THIS_BUILD: string = fileURLToPath(new URL('..', import.meta.url))

function list(directory: string): string {
  try {
    return fs.readdirSync(directory, { recursive: true }).map(String).sort().join('\n')
  } catch (error) {
    return String(error)
  }
}
