import type { Grant } from './requests/engine.ts'
import type { Claim } from './core/claim.ts'
import { permitsOf, SHARED, takeOf } from './core/claim.ts'
import { debug } from './debug.ts'
import { downgradeLock } from './downgrade.ts'
import type { MinimumHold } from './calls/minimum-hold.ts'
import { startMinimumHold } from './calls/minimum-hold.ts'
import { isReleaseObserved } from './diagnostics.ts'
import { publishLost, publishReleased } from './lock-traces.ts'
import { SlocketError } from './errors.ts'
import type { Asked, LockMode } from './options.ts'

const RELEASED: Promise<void> = Promise.resolve()

/**
 * A lock that is held: what `slocket()` resolves with.
 *
 * It is held until {@link Lock.release} is called, or until this process ends, however it ends: then the next waiter gets it within
 * milliseconds. It is still held while listeners for `exit` run, and they may release it. Garbage collection releases nothing, so a lock can be held for the life of
 * the process. Holding a lock does not keep the process alive.
 */
export class Lock {
  /** The path as passed to `slocket()`; for a URL, its path. */
  readonly name: string
  /** Whether it allows other holders: `exclusive` or `shared`. `exclusive` for a semaphore, too. {@link Lock.downgrade} changes it. */
  readonly mode: LockMode
  /** The number of permits that may be held at the same time, as this lock's request gave it. `undefined` if the lock isn't a semaphore. */
  readonly permits: number | undefined
  /** How many of the permits it holds. `undefined` if the lock isn't a semaphore. */
  readonly take: number | undefined
  /**
   * A fencing token: larger than the token of every earlier holder. Send it with each write, and have the receiver refuse any token that is smaller
   * than a token that it has already seen. With the local engine it also grows across reboots, provided that the machine's clock is right at boot.
   */
  readonly token: bigint
  /**
   * Whether an earlier holder crashed, or ended without releasing. If so, check that the data that the lock protects is intact. With `local()` and
   * `redis()`, it is never false after the crash of a holder, but can be true if a process that only waited has crashed. Shared holders do not count.
   * With `memory()`, `postgres()` and `etcd()`, whose `capabilities.recovered` is false, it is always false.
   */
  readonly recovered: boolean
  readonly #grant: Grant
  #isHeld = true
  #controller: AbortController | undefined
  #lossError: Error | undefined
  #wanted: AbortController | undefined
  #releasing: Promise<void> | undefined
  #minimum: MinimumHold | undefined
  #releaseListeners: Set<() => void> | undefined
  #claim: Claim
  #downgrading: Promise<void> | undefined
  #downgradeListeners: Set<() => void> | undefined

  /** @internal */
  constructor(name: string, { mode, claim, atLeastMs }: Pick<Asked, 'mode' | 'claim' | 'atLeastMs'>, grant: Grant) {
    this.name = name
    this.mode = mode
    this.permits = permitsOf(claim)
    this.take = takeOf(claim)
    this.token = grant.token
    this.recovered = grant.recovered
    this.#grant = grant
    this.#claim = claim
    if (atLeastMs > 0) this.#minimum = startMinimumHold(atLeastMs)
    // As variables first. V8 makes a function that is assigned to a property in the space of its old objects, by a slow call.
    const assertHeld = (): void => this.#assertHeld()
    const release = (): Promise<void> => this.#release()
    const downgrade = (): Promise<void> => this.#downgrade()
    this.assertHeld = assertHeld
    this.release = release
    this.downgrade = downgrade
    grant.onLost((error) => this.#onLost(error))
  }

  /**
   * Whether the lock is still held: false once it was released or lost, as far as this process can know without waiting. With the local engine
   * each read checks that the lock's ticket is still in its directory (one `lstat`).
   */
  get held(): boolean {
    return this.#isHeld && this.#grant.isHeld?.() !== false
  }

  /**
   * Throws if the lock is no longer held, as far as this process can know without waiting. Call it right before a write.
   *
   * If the lock lives on a server (etcd, PostgreSQL, Redis), it also detects that this process was stopped for too long, before any timer has run. The lock
   * can still be lost between this call and the moment when the write arrives: only a receiver that checks {@link Lock.token} closes that gap.
   *
   * It is bound to this lock, so it can be passed on by itself: `const { assertHeld } = lock`.
   *
   * ```js
   * lock.assertHeld()
   * await store.write(record, { fence: lock.token })
   * ```
   *
   * @throws ERR_SLOCKET_LOST if the lock was lost, and after a release.
   */
  readonly assertHeld: () => void

  #assertHeld(): void {
    if (this.held) return
    if (this.#lossError !== undefined) throw this.#lossError
    throw new SlocketError('ERR_SLOCKET_LOST', `the lock '${this.name}' is not held: it was released`)
  }

  /**
   * Aborts if the lock is lost while it is held, with an error of code ERR_SLOCKET_LOST: another program removed its directory or its ticket,
   * somebody took it away (`slocket.break`), or its lease has run out. A release does not abort it.
   *
   * Reading `lock.signal` checks the lock, as {@link Lock.assertHeld} does. A signal that was read before aborts at the next check, or within about a
   * second.
   */
  get signal(): AbortSignal {
    // At each read: `lock.signal.throwIfAborted()` right before a write has to know as much as `assertHeld`.
    if (this.#isHeld) this.#grant.isHeld?.()
    return this.lossSignal
  }

  /** @internal As `signal`, but without the check: for listeners. */
  get lossSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#lossError !== undefined) this.#controller.abort(this.#lossError)
    }
    return this.#controller.signal
  }

  /**
   * Aborts once another request waits for the lock, so that the holder can release it early: within a second, and at once if the
   * waiter belongs to this process and asked for the same mode, without permits. It is a hint: the waiter may cancel its wait, or crash. It never aborts after a
   * release.
   *
   * It reads the queue once a second, from the first use of this property until it has aborted.
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
        this.#grant.onWanted?.(() => {
          // All holders of one process are notified together, and the listener of another one may have released this lock.
          if (this.#isHeld) wanted.abort(new Error(`somebody waits for the lock '${this.name}'`))
        })
    }
    return this.#wanted.signal
  }

  /** @internal Why the lock was lost. Undefined if it wasn't, as far as this process can know without waiting. */
  get loss(): Error | undefined {
    if (this.#isHeld) this.#grant.isHeld?.()
    return this.#lossError
  }

  /**
   * Releases the lock. With the local engine it is free when the call returns, or, with `slice`, at the end of this turn of the event loop. With engines that use
   * a server, it is free when the promise resolves. It releases this grant only: a second call, or a call after the lock was lost, does nothing.
   *
   * With `atLeast`, {@link Lock.held} is false at once, but the lock is free, and the promise resolves, only when that time is over.
   *
   * It is bound to this lock, so it can be passed on by itself: `const { release } = lock`.
   *
   * @throws (by the promise) ERR_SLOCKET_NOT_RELEASED if the system failed to release it: see docs/errors.md.
   */
  readonly release: () => Promise<void>

  #release(): Promise<void> {
    if (this.#releasing !== undefined) return this.#releasing
    if (!this.#isHeld) return RELEASED
    this.#isHeld = false
    if (this.#releaseListeners !== undefined) return this.#releaseAfter(this.#releaseListeners)
    this.#releasing = this.#minimum === undefined ? this.#releaseGrant() : this.#releaseInTime(this.#minimum)
    return this.#releasing
  }

  #releaseAfter(listeners: ReadonlySet<() => void>): Promise<void> {
    // A listener may release, too: it gets the same promise.
    let settle!: (released: Promise<void>) => void
    this.#releasing = new Promise((resolve) => (settle = resolve))
    // Called before the next holder can have the lock.
    for (const listener of listeners) listener()
    settle(this.#minimum === undefined ? this.#releaseGrant() : this.#releaseInTime(this.#minimum))
    return this.#releasing
  }

  /**
   * Turns an exclusive lock into a shared one. The lock isn't free in between: nobody else has held it exclusively since this caller did. Shared requests that wait
   * get the lock at once, up to the first exclusive request, which waits until all of them have released. A downgraded lock can't become exclusive again: release it
   * and acquire it again.
   *
   * {@link Lock.mode} is `shared` from the call on, even if the call then fails: others may share from that moment. The token stays the same, and so does a
   * {@link Lock.wanted} that has aborted. If the process crashes after the downgrade, no later holder has `recovered` because of that. With the local engine others can
   * have the lock when the call returns; with engines that use a server, when the promise resolves. Exclusive requests of the same process that already wait come first:
   * as long as they wait, nobody shares.
   *
   * Does nothing if the lock is shared. In a nested call, only the lock of that call becomes shared; the outer lock stays as it is. If the outer lock is
   * downgraded, nested calls that hold it exclusively lose it.
   *
   * It is bound to this lock, so it can be passed on by itself: `const { downgrade } = lock`.
   *
   * ```js
   * const lock = await slocket('/tmp/data.lock')
   * await rewrite()
   * await lock.downgrade() // readers come in; what was written stays as it is
   * await verify()
   * await lock.release()
   * ```
   *
   * @throws (by the promise) ERR_SLOCKET_LOST if the lock isn't held any more; ERR_SLOCKET_NO_DOWNGRADE if its engine can't (named locks, PostgreSQL through a pooler);
   *   TypeError for a permit, which has nothing to give up; what a system error means, or ERR_SLOCKET_UNREACHABLE: then call it again.
   */
  readonly downgrade: () => Promise<void>

  #downgrade(): Promise<void> {
    this.#downgrading ??= downgradeLock(this, this.#grant, () => this.#becomeShared()).finally(
      () => (this.#downgrading = undefined),
    )
    return this.#downgrading
  }

  #becomeShared(): void {
    ;(this as { mode: LockMode }).mode = 'shared'
    this.#claim = SHARED
    for (const listener of this.#downgradeListeners ?? []) listener()
  }

  /** @internal The claim with which it is held now. */
  get claim(): Claim {
    return this.#claim
  }

  /** @internal Calls `listener` when an exclusive lock is downgraded. Returns a function that removes the listener. */
  onDowngrade(listener: () => void): () => void {
    const listeners = (this.#downgradeListeners ??= new Set())
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** @internal Calls `listener` when the lock is released, before it is free. Returns a function that removes the listener. */
  onRelease(listener: () => void): () => void {
    const listeners = (this.#releaseListeners ??= new Set())
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** @internal As {@link Lock.release}, but `atLeast` does not delay it: nobody has had the lock. */
  releaseNow(): Promise<void> {
    this.#minimum?.end()
    return this.release()
  }

  /** @internal Keeps the lock held for at least `ms` from now. */
  holdAtLeast(ms: number): void {
    if (this.#minimum?.isOver !== false) this.#minimum = startMinimumHold(ms)
    else this.#minimum.extend(ms)
  }

  #releaseInTime(minimum: MinimumHold): Promise<void> {
    return minimum.whenOver(() => this.#releaseGrant())
  }

  #releaseGrant(): Promise<void> {
    try {
      const released = this.#grant.release()
      if (isReleaseObserved() && this.#grant.isNested !== true) publishReleased(this)
      return released === undefined ? RELEASED : Promise.resolve(released)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Releases the lock at the end of an `await using` block, as {@link Lock.release}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
  }

  /** Releases the lock at the end of a `using` block. A failure is reported to `NODE_DEBUG=slocket` only; `await using` throws it. */
  [Symbol.dispose](): void {
    this.release().catch((error: unknown) => debug('%s: release: %s', this.name, error))
  }

  #onLost(error: Error): void {
    this.#minimum?.end()
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#lossError = error
    if (this.#grant.isNested !== true) publishLost(this, error)
    this.#controller?.abort(error)
  }
}
