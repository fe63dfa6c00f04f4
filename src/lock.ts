import type { Grant } from './contract/engine.ts'
import { debug } from './debug.ts'
import { tellLost, tellReleased } from './diagnostics.ts'
import { SlocketError } from './errors.ts'
import type { LockMode } from './options.ts'

/**
 * A lock that is held. Made by `slocket(path)`.
 *
 * It is held until {@link Lock.release}, or until this process has ended, however it ends: then the next one has it within
 * milliseconds. Listeners for `exit` still have it, and may release it. Dropping the object releases nothing, so a lock may
 * be taken for the life of the process. Holding does not keep the process alive.
 */
export class Lock {
  /** The path, as it was given. */
  readonly name: string
  /** Whether others who share may hold with it. */
  readonly mode: LockMode
  /** The number of permits of the semaphore that this is one of; undefined for an exclusive or shared lock. */
  readonly permits: number | undefined
  /**
   * A fencing token: larger than that of every earlier holder, across reboots as far as the machine's clock is right at
   * boot. Send it along with a write, and have the receiver refuse a smaller one than it has seen.
   */
  readonly token: bigint
  /**
   * Whether a predecessor died, or ended, without releasing: look whether what the lock protects is whole. It may be
   * true without need (a process that only waited died), never false when a holder died. Those who shared do not count.
   */
  readonly recovered: boolean
  readonly #grant: Grant
  #isHeld = true
  #controller: AbortController | undefined
  #lossError: Error | undefined
  #wanted: AbortController | undefined
  #releasing: Promise<void> | undefined

  /** @internal */
  constructor(name: string, mode: LockMode, permits: number | undefined, grant: Grant) {
    this.name = name
    this.mode = mode
    this.permits = permits
    this.token = grant.token
    this.recovered = grant.recovered
    this.#grant = grant
    grant.onLost((error) => this.#onLost(error))
  }

  /**
   * False once it was released, or lost: by all that this process can know without waiting. With the local engine each call looks whether the
   * lock's ticket is still in its directory (one lstat).
   */
  get held(): boolean {
    return this.#isHeld && this.#grant.isHeld?.() !== false
  }

  /**
   * Throws unless the lock is held, by all that this process can know without waiting. To be called right before a write. Where
   * an engine's locks are leases, this is how a process that was stopped for longer learns of it before its timers have run. The lock may be
   * lost between this call and the moment when the write arrives: only a receiver that knows {@link Lock.token} closes that gap.
   *
   * ```js
   * lock.assertHeld()
   * await store.write(record, { fence: lock.token })
   * ```
   *
   * @throws ERR_SLOCKET_LOST; also after a release.
   */
  assertHeld(): void {
    if (this.held) return
    if (this.#lossError !== undefined) throw this.#lossError
    throw new SlocketError('ERR_SLOCKET_LOST', `the lock '${this.name}' is not held: it was released`)
  }

  /**
   * Aborts, with an error of code ERR_SLOCKET_LOST, if the lock is ever lost while it is held: somebody has removed its
   * directory, or its ticket, from outside. A release does not abort it. Reading `lock.signal` looks at the ticket, as {@link Lock.assertHeld}
   * does; a signal that was read before aborts when somebody looks, or within about a second.
   */
  get signal(): AbortSignal {
    // Each time: `lock.signal.throwIfAborted()` right before a write has to know as much as `assertHeld`.
    if (this.#isHeld) this.#grant.isHeld?.()
    return this.lossSignal
  }

  /** @internal The same without a look, for those who only listen. */
  get lossSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#lossError !== undefined) this.#controller.abort(this.#lossError)
    }
    return this.#controller.signal
  }

  /**
   * Aborts once somebody waits for the lock, so that a polite holder can let go early: a second later at most, and at once
   * where the one who waits is of this process and asked for the same. A hint: who waits may call it off, or die. Costs one
   * look at the queue each second, from when it is first asked for to when it has aborted. Never aborts after a release.
   *
   * ```js
   * const lock = await slocket('/tmp/batch.lock')
   * try { while (!lock.wanted.aborted) await nextItem() } finally { await lock.release() }
   * ```
   */
  get wanted(): AbortSignal {
    if (this.#wanted === undefined) {
      const wanted = new AbortController()
      this.#wanted = wanted
      if (this.#isHeld)
        this.#grant.onWanted?.(() => wanted.abort(new Error(`somebody waits for the lock '${this.name}'`)))
    }
    return this.#wanted.signal
  }

  /** @internal Why it was lost, if it was, as far as this process can know without waiting. */
  get loss(): Error | undefined {
    if (this.#isHeld) this.#grant.isHeld?.()
    return this.#lossError
  }

  /**
   * Gives the lock back. With the local engine it is free when the call returns; the promise is there for engines that
   * have to ask a server. Releases only this very grant; called again, or after a loss, it does nothing.
   *
   * @throws (by the promise) ERR_SLOCKET_NOT_RELEASED where the system would not let go of it: docs/errors.md.
   */
  release(): Promise<void> {
    this.#releasing ??= this.#release()
    return this.#releasing
  }

  /** As {@link Lock.release}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  /** As {@link Lock.release}, for `using`. A failure goes to `NODE_DEBUG=slocket` only; use `await using` to have it thrown. */
  [Symbol.dispose](): void {
    this.release().catch((error: unknown) => debug('%s: release: %s', this.name, error))
  }

  #release(): Promise<void> {
    if (!this.#isHeld) return Promise.resolve()
    this.#isHeld = false
    try {
      const released = this.#grant.release()
      tellReleased(this)
      return Promise.resolve(released)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #onLost(error: Error): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#lossError = error
    tellLost(this, error)
    this.#controller?.abort(error)
  }
}
