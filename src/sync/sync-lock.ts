import { publishLost, publishReleased } from '../lock-traces.ts'
import type { LockMode } from '../options.ts'
import type { Held } from './messages.ts'

/** The thread that holds a lock: the calling thread, or its worker. */
export interface SyncHolder {
  /** Takes note of the losses that were reported since. */
  hearLosses(): void
  /** Looks whether the lock is still held. If not, the lock has been notified when this returns. */
  look(lock: SyncLock): void
  /** @throws ERR_SLOCKET_NOT_RELEASED. */
  release(lock: SyncLock): void
}

/**
 * A lock that is held, as `slocket.sync()` returns it. It resembles {@link Lock}, but has no `assertHeld`, `downgrade` and `wanted`, and the lock
 * is free when its `release` returns.
 *
 * It stays held while this thread blocks: until it is released, or until this process (or worker thread) ends, however it ends. Listeners
 * for `exit` still hold it, and may release it. Holding a lock does not keep the process alive.
 */
export class SyncLock {
  /** The path, as it was passed to `slocket.sync()`, or that of the URL that was passed. */
  readonly name: string
  /** Whether it allows other holders: `exclusive` or `shared`. `exclusive` for a semaphore, too. */
  readonly mode: LockMode
  /** The number of permits that may be held at the same time, as this lock's request said. `undefined` if the lock isn't a semaphore. */
  readonly permits: number | undefined
  /** How many of the permits it holds. `undefined` if the lock isn't a semaphore. */
  readonly take: number | undefined
  /** A fencing token: larger than the token of every earlier holder, whether of `slocket()` or `slocket.sync()`. See {@link Lock.token}. */
  readonly token: bigint
  /** Whether an earlier holder crashed, or ended without releasing: if so, check that what the lock protects is intact. See {@link Lock.recovered}. */
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
    this.take = held.take
    this.token = held.token
    this.recovered = held.recovered
    this.#holder = holder
  }

  /**
   * Whether the lock is still held: false once it was released or lost. Each read checks that the lock's ticket is still in its directory,
   * which takes one lstat, or about 50 µs if another thread holds the lock.
   */
  get held(): boolean {
    if (this.#isHeld) this.#holder.look(this)
    return this.#isHeld
  }

  /**
   * Aborts if the lock is lost while it is held, with an error of code ERR_SLOCKET_LOST. Its listeners are called within about a second once the
   * event loop runs, or at the next check. Reading `lock.signal` checks the lock, as {@link SyncLock.held} does: `lock.signal.throwIfAborted()` throws
   * if the lock was lost.
   */
  get signal(): AbortSignal {
    if (this.#isHeld) this.#holder.look(this)
    return this.#controller.signal
  }

  /** @internal The same without a check, to listen to. */
  get lossSignal(): AbortSignal {
    return this.#controller.signal
  }

  /**
   * Releases the lock: it is free for the next waiter when this returns. It releases this grant only: a second call, or a call after the lock
   * was lost, does nothing.
   *
   * It is bound to this lock, so it can be passed on by itself: `const { release } = lock`.
   *
   * @throws ERR_SLOCKET_NOT_RELEASED if the system failed to release it: see docs/errors.md.
   */
  readonly release: () => void = () => {
    this.#holder.hearLosses()
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#holder.release(this)
    publishReleased(this)
  };

  /** Releases the lock at the end of a `using` block, as {@link SyncLock.release}. */
  [Symbol.dispose](): void {
    this.release()
  }

  /** @internal */
  lose(error: Error): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    publishLost(this, error)
    this.#controller.abort(error)
  }
}
