import type { Lock } from '../lock.ts'
import type { SlocketOptions, WithOptions } from '../options.ts'
import { releaseAll } from './run-under.ts'

/**
 * Several locks that were acquired together: what `slocket.all()` resolves with.
 *
 * Each is held until {@link LockSet.release} is called, or until this process ends, however it ends. Holding them does not keep the process alive.
 */
export interface LockSet {
  /** The locks, in the order of the paths. Paths of the same lock have the same object. */
  readonly locks: readonly Lock[]
  /** Whether all of them are still held: see {@link Lock.held}. */
  readonly held: boolean
  /** Aborts if one of them is lost while it is held, with the reason of that lock's {@link Lock.signal}. Reading it checks all of them. */
  readonly signal: AbortSignal
  /**
   * Throws if one of them is no longer held, as far as this process can know without waiting. Call it right before a write.
   *
   * @throws ERR_SLOCKET_LOST if one of them was lost, and after a release.
   */
  assertHeld(): void
  /**
   * Releases all of them, in the reverse order of their acquisition. It releases these grants only: a second call does nothing.
   *
   * @throws (by the promise) ERR_SLOCKET_NOT_RELEASED if the system failed to release one of them. The others are released.
   */
  release(): Promise<void>
  /** Releases the locks at the end of an `await using` block, as {@link LockSet.release}. */
  [Symbol.asyncDispose](): Promise<void>
}

/** `slocket.all()` and its relative. */
export interface SlocketAll {
  /**
   * Acquires the locks at `paths`, each with the same options: all of them, or none. It takes them one after the other, in an order that is the same for
   * all callers, whatever the order of `paths` and however a path is written. So two callers never wait for each other. A path that is passed twice is one
   * lock.
   *
   * `options.timeout` limits the whole call. If that time is over, if `options.signal` aborts, if a lock can't be acquired, or if one is lost while the call waits
   * for others, the call releases what it has, and then rejects. `atLeast` counts for each lock from its own grant; if the call rejects, it has no effect.
   *
   * A caller that already holds one of the locks, or any lock that comes later in that order, can still wait forever: acquire all locks in one call. Each
   * lock takes one of the places of an engine that has only so many (`EngineCapabilities.places`).
   *
   * ```js
   * await using locks = await slocket.all(['/srv/a.lock', '/srv/b.lock'], { timeout: 5000 })
   * ```
   *
   * @param paths at least one path, as for `slocket()`.
   * @throws the errors of `slocket()`; ERR_SLOCKET_LOST; RangeError if the engine has fewer places than there are locks.
   */
  (paths: readonly (string | URL)[], options?: SlocketOptions): Promise<LockSet>
  /**
   * Acquires the locks as `slocket.all()` does, calls `body`, releases them whether `body` succeeds or fails, and resolves with the result of `body`. What is true
   * of `slocket.with()` is true here of each of the locks.
   *
   * @throws the errors of `slocket.all()` and of `slocket.with()`.
   */
  with<T>(paths: readonly (string | URL)[], body: (locks: LockSet) => T | Promise<T>): Promise<T>
  /** The same, with options: see {@link WithOptions}. */
  with<T>(
    paths: readonly (string | URL)[],
    options: WithOptions | undefined,
    body: (locks: LockSet) => T | Promise<T>,
  ): Promise<T>
}

/**
 * @param locks in the order of the arguments.
 * @param acquired the same locks, each once, in the order in which they were acquired.
 */
export function createLockSet(locks: readonly Lock[], acquired: readonly Lock[]): LockSet {
  let controller: AbortController | undefined
  let releasing: Promise<void> | undefined
  const release = (): Promise<void> => (releasing ??= releaseAll(acquired))
  return {
    locks,
    get held() {
      return acquired.every(({ held }) => held)
    },
    get signal() {
      const lost = acquired.find(({ loss }) => loss !== undefined)
      if (controller === undefined) {
        controller = new AbortController()
        for (const { lossSignal } of acquired) {
          lossSignal.addEventListener('abort', () => controller!.abort(lossSignal.reason), { once: true })
        }
        if (lost !== undefined) controller.abort(lost.loss)
      }
      return controller.signal
    },
    assertHeld() {
      for (const lock of acquired) lock.assertHeld()
    },
    release,
    [Symbol.asyncDispose]: release,
  }
}
