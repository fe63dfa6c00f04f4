import { tellLost, tellReleased } from '../diagnostics.ts'
import type { LockMode } from '../options.ts'
import type { Held } from './messages.ts'

/** The thread that holds a lock: the calling thread, or its stand-in. */
export interface SyncHolder {
  /** Takes note of the losses that were reported since. */
  hearLosses(): void
  /** Looks whether the lock is still held. If not, the lock has been told when this returns. */
  look(lock: SyncLock): void
  /** @throws ERR_SLOCKET_NOT_RELEASED. */
  release(lock: SyncLock): void
}

/**
 * A lock that is held, taken by `slocket.sync(path)`. A {@link Lock} in all but its `release`, which returns nothing and is
 * done when it returns.
 *
 * It stays held while this thread blocks; until it is released, or until this process (or worker thread) has ended, however it ends. Listeners for `exit` still have it, and may release it. Holding does not keep the
 * process alive.
 */
export class SyncLock {
  /** The path, as it was given. */
  readonly name: string
  /** Whether others who share may hold with it. */
  readonly mode: LockMode
  /** The number of permits of the semaphore that this is one of; undefined for an exclusive or shared lock. */
  readonly permits: number | undefined
  /** A fencing token: larger than that of every earlier holder, of `slocket()` as of `slocket.sync()`. */
  readonly token: bigint
  /** Whether a predecessor died, or ended, without releasing: look whether what the lock protects is whole. */
  readonly recovered: boolean
  /** @internal What its holder knows it by. */
  readonly id: number
  readonly #holder: SyncHolder
  readonly #controller: AbortController = new AbortController()
  #isHeld = true

  /** @internal */
  constructor(name: string, held: Held, holder: SyncHolder, id: number) {
    this.name = name
    this.id = id
    this.mode = held.mode
    this.permits = held.permits
    this.token = held.token
    this.recovered = held.recovered
    this.#holder = holder
  }

  /**
   * False once it was released, or lost. Each call looks whether the lock's ticket is still in its directory: one lstat, or some 50 µs
   * if another thread had to wait for the lock, since that thread looks.
   */
  get held(): boolean {
    if (this.#isHeld) this.#holder.look(this)
    return this.#isHeld
  }

  /**
   * Aborts, with an error of code ERR_SLOCKET_LOST, if the lock is ever lost while it is held. Its listeners are called once
   * the event loop goes on, within about a second, or when somebody looks. Reading `lock.signal` looks, as {@link SyncLock.held} does:
   * `lock.signal.throwIfAborted()` throws if the lock was lost.
   */
  get signal(): AbortSignal {
    if (this.#isHeld) this.#holder.look(this)
    return this.#controller.signal
  }

  /** @internal The same without a look, for those who only listen. */
  get lossSignal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Gives the lock back: it is free for the next one when this returns. Releases only this very grant; called again, or after
   * a loss, it does nothing.
   *
   * @throws ERR_SLOCKET_NOT_RELEASED where the system would not let go of it: docs/errors.md.
   */
  release(): void {
    this.#holder.hearLosses()
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#holder.release(this)
    tellReleased(this)
  }

  /** As {@link SyncLock.release}, for `using`. */
  [Symbol.dispose](): void {
    this.release()
  }

  /** @internal */
  lose(error: Error): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    tellLost(this, error)
    this.#controller.abort(error)
  }
}
