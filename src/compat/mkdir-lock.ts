/**
 * A lock as in proper-lockfile, used if slocket refuses to make its own: a directory that this process renews again and again.
 *
 *  1. A lock that is no longer renewed is stale after `staleMs`, and another process may take it over. If its holder was only stopped, it is notified at its
 *     next renewal.
 *  2. Timers don't keep the process alive. When the process exits, its locks are removed; if it is killed, or ended by a signal that it doesn't handle, they
 *     become stale.
 */
import { debug } from '../debug.ts'
import { systemCode } from '../errors.ts'
import { clearTimeout, monotonicNowMs, setTimeout, sleep, wallNowMs } from '../real-time.ts'
import { acquire, LONG_STEP_MS, release, renew, run, runSync, timeOf } from './mkdir-steps.ts'

export interface MkdirOptions {
  readonly staleMs: number
  /** How often it is renewed, in ms. */
  readonly updateMs: number
  /** A replacement for Node's `fs`. */
  readonly fs: unknown
}

/** How soon to try again if the time can't be renewed, in ms. */
const TRY_AGAIN_MS = 1000
/** The first pause of a waiter, and the longest, in ms. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1000

/** Held by this process (or worker thread), to be removed at its exit. */
const all = new Set<MkdirLock>()

/**
 * Tries again and again, until the deadline by the monotonic clock (undefined: without a limit). Null if another process still holds the lock then.
 *
 * @throws the errors of the system.
 */
export async function lockByMkdir(
  path: string,
  options: MkdirOptions,
  deadlineMs: number | undefined,
): Promise<MkdirLock | null> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const mtimeMs = await run(acquire(path, options.staleMs), options.fs)
    if (mtimeMs !== undefined) return new MkdirLock(path, options, mtimeMs)
    const leftMs = deadlineMs === undefined ? Infinity : deadlineMs - monotonicNowMs()
    if (leftMs <= 0) return null
    await sleep(Math.min(pauseMs, leftMs))
  }
}

/** Tries once. */
export function lockByMkdirSync(path: string, options: MkdirOptions): MkdirLock | null {
  const mtimeMs = runSync(acquire(path, options.staleMs), options.fs)
  return mtimeMs === undefined ? null : new MkdirLock(path, options, mtimeMs)
}

/** A held lock. */
export class MkdirLock {
  readonly #path: string
  readonly #options: MkdirOptions
  readonly #controller: AbortController = new AbortController()
  #mtimeMs: number
  /** When the renewal began that is under way, or has failed: its new time may be there already, or later. */
  #nextMs: number | undefined
  #renewedMs: number
  #timer: NodeJS.Timeout | undefined
  #renewing: Promise<void> | undefined
  #isOver = false

  constructor(path: string, options: MkdirOptions, mtimeMs: number) {
    this.#path = path
    this.#options = options
    this.#mtimeMs = mtimeMs
    this.#renewedMs = wallNowMs()
    if (all.size === 0) process.on('exit', removeAll)
    all.add(this)
    this.#renewAfter(options.updateMs)
  }

  /** Aborts if the lock is lost, with an error of code ECOMPROMISED. */
  get lossSignal(): AbortSignal {
    return this.#controller.signal
  }

  /** @throws ECOMPROMISED if another process has taken it over; the errors of the system. */
  async release(): Promise<void> {
    this.#end()
    // RACE: a renewal that is under way would touch the next holder's directory.
    await this.#renewing
    if (!(await run(release(this.#path, this.#options.staleMs, this.#isOwn), this.#options.fs))) throw takenOver()
  }

  /** @throws as {@link release}. */
  releaseSync(): void {
    this.#end()
    // RACE: a renewal that is under way may touch the next holder's directory, and that holder is notified that it has lost the lock.
    if (!runSync(release(this.#path, this.#options.staleMs, this.#isOwn), this.#options.fs)) throw takenOver()
  }

  /**
   * A time that a failed renewal may have set counts only until the last known time is stale. RACE: the renewals of this process fail; another process
   * takes the lock over during the last of them, and its time is just as near.
   */
  readonly #isOwn = (mtimeMs: number): boolean =>
    mtimeMs === this.#mtimeMs ||
    (this.#nextMs !== undefined &&
      Math.abs(mtimeMs - this.#nextMs) <= LONG_STEP_MS &&
      wallNowMs() <= this.#mtimeMs + this.#options.staleMs)

  #renewAfter(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#renewing = this.#renew().finally(() => (this.#renewing = undefined))
    }, ms).unref()
  }

  async #renew(): Promise<void> {
    const { fs, staleMs, updateMs } = this.#options
    try {
      const foundMs = await run(timeOf(this.#path, staleMs), fs)
      if (this.#isOver) return
      if (foundMs === undefined) return this.#lose(gone(this.#path))
      if (!this.#isOwn(foundMs)) return this.#lose(takenOver())
      this.#mtimeMs = foundMs
      this.#nextMs = wallNowMs()
      const startMs = this.#nextMs
      const keptMs = await run(renew(this.#path), fs)
      this.#nextMs = undefined
      // RACE: another process has taken the lock over before the new time was set: then it is the time of the other process's directory now.
      if (startMs + staleMs < wallNowMs()) return this.#lose(takenOver())
      this.#mtimeMs = keptMs
      this.#renewedMs = wallNowMs()
      if (!this.#isOver) this.#renewAfter(updateMs)
    } catch (error) {
      const isLate = this.#renewedMs + staleMs < wallNowMs()
      if (systemCode(error) === 'ENOENT' || isLate) return this.#lose(Object.assign(error as Error, LOST))
      debug('%s cannot be renewed: %s', this.#path, error)
      if (!this.#isOver) this.#renewAfter(TRY_AGAIN_MS)
    }
  }

  #lose(error: Error): void {
    if (this.#isOver) return
    this.#end()
    this.#controller.abort(error)
  }

  #end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    all.delete(this)
    if (all.size === 0) process.off('exit', removeAll)
  }
}

const LOST = { code: 'ECOMPROMISED' }

function gone(path: string): Error {
  return Object.assign(new Error(`ENOENT: the lock directory '${path}' is gone`), LOST)
}

function takenOver(): Error {
  return Object.assign(new Error('Unable to update lock within the stale threshold'), LOST)
}

function removeAll(): void {
  for (const lock of all) {
    try {
      lock.releaseSync()
    } catch (error) {
      debug('a lock stays at exit: %s', error)
    }
  }
}
