/** The workers: one process for each number, and another one in its place after it was killed. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../src/testing/random.ts'
import type { Chronicle } from './chronicle.ts'
import { WorkerProcess } from './worker-process.ts'

/** So that one can see that it is dead. */
const RESPAWN_MS = 300
const FINISH_MS = 60_000

export class Crew {
  readonly #directory: string
  readonly #chronicle: Chronicle
  readonly #random: Random
  /** The process of each number: the one that runs, or ran last. */
  readonly #workers: WorkerProcess[] = []
  readonly #respawns = new Set<Promise<void>>()
  /** Nobody is killed any more, so nobody need be seen dead. */
  readonly #closing = new AbortController()
  #isDismissed = false

  constructor(directory: string, chronicle: Chronicle, random: Random) {
    this.#directory = directory
    this.#chronicle = chronicle
    this.#random = random
  }

  start(count: number): void {
    for (let number = 1; number <= count; number += 1) this.#spawn(number)
  }

  get workers(): readonly WorkerProcess[] {
    return this.#workers
  }

  byPid(pid: number | undefined): WorkerProcess | undefined {
    return this.#workers.find((worker) => worker.pid === pid)
  }

  /** kill -9, and another one in its place a little later. */
  kill(worker: WorkerProcess): void {
    worker.kill()
    const respawn = this.#respawn(worker).finally(() => this.#respawns.delete(respawn))
    this.#respawns.add(respawn)
  }

  /** Has all of them end after a last round. A lock that nobody gets any more is found here. */
  async finish(interrupted: AbortSignal): Promise<void> {
    this.#closing.abort()
    await Promise.all(this.#respawns)
    for (const worker of this.#workers) {
      worker.resume()
      worker.finish()
    }
    const ended = Promise.all(this.#workers.map((worker) => worker.ended)).then(() => true)
    const limit = new AbortController()
    const late = sleep(FINISH_MS, false, { signal: AbortSignal.any([limit.signal, interrupted]) }).catch(() => false)
    const haveEnded = await Promise.race([ended, late])
    limit.abort()
    if (haveEnded || interrupted.aborted) return
    for (const worker of this.#workers) {
      if (worker.state !== 'over') {
        this.#chronicle.faults.push(`worker ${worker.number} (pid ${worker.pid}) did not get its last turn`)
      }
    }
  }

  /** Ends all of them now. Resolves when they have ended. */
  async dismiss(): Promise<void> {
    this.#isDismissed = true
    this.#closing.abort()
    await Promise.all(this.#respawns)
    for (const worker of this.#workers) worker.end()
    await Promise.all(this.#workers.map((worker) => worker.ended))
  }

  #spawn(number: number): void {
    const seed = this.#random.below(2 ** 32)
    this.#workers[number - 1] = new WorkerProcess(
      [this.#directory, String(number), String(seed)],
      number,
      this.#chronicle,
    )
  }

  async #respawn(killed: WorkerProcess): Promise<void> {
    await killed.ended
    await sleep(RESPAWN_MS, undefined, { signal: this.#closing.signal }).catch(() => {})
    if (!this.#isDismissed) this.#spawn(killed.number)
  }
}
