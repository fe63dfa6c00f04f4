/** The types of the Web Locks specification. They are compatible with those of TypeScript's `lib.dom`. */
import type { Engine } from '../requests/engine.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import type { LockMode } from '../options.ts'

export type { LockMode }

/** A lock that is held: the argument of the callback of a request. */
export interface WebLock {
  /** The name of the lock, as it was requested. */
  readonly name: string
  /** Whether it allows other holders: `exclusive` or `shared`. */
  readonly mode: LockMode
}

/** Called once: with the lock, or with `null` if the request has `ifAvailable` and the lock isn't available. */
export type LockGrantedCallback<T> = (lock: WebLock | null) => T

/** Options of a request for a name. They are those of the Web Locks specification: unknown options are ignored. */
export interface LockOptions {
  /** Takes the lock only if that needs no waiting; otherwise the callback gets `null`. Default: `false`. */
  ifAvailable?: boolean
  /** Who else can hold the lock at the same time. `exclusive`: nobody. `shared`: other shared holders. Default: `exclusive`. */
  mode?: LockMode
  /**
   * Cancels the wait. If it aborts before the lock is granted, the request rejects with `signal.reason` and the callback isn't called. After that it
   * has no effect. It can't be combined with `ifAvailable` or `steal`. Default: the wait can't be cancelled.
   */
  signal?: AbortSignal
  /**
   * Takes the lock from its holders, ahead of all waiters. Their requests reject with an AbortError, but their callbacks go on. Only for
   * exclusive requests. Default: `false`.
   */
  steal?: boolean
}

/** A holder of a lock, or a waiter. */
export interface LockInfo {
  /** The client (process or worker thread) that it belongs to. Different clients never have the same id, and an id is never reused. */
  clientId: string
  /** Whether it allows other holders: `exclusive` or `shared`. */
  mode: LockMode
  /** The name of the lock. */
  name: string
}

/** All holders, in the order of the grants, and all waiters, in the order of the requests, at one moment. */
export interface LockManagerSnapshot {
  /** The holders, of all names. */
  held: LockInfo[]
  /** The waiters, of all names. */
  pending: LockInfo[]
}

/** Options of `new LockManager()`: where its locks live. An unknown option is a TypeError. */
export interface LockManagerOptions {
  /**
   * The directory of the locks. Its parent must exist; the first request or query creates the directory. A relative path is resolved against the working
   * directory when the manager is created. All managers with the same directory, in any process, have the same locks. It can't be combined with
   * `engine`. Default: a directory of this user, see docs/web-locks.md.
   */
  readonly root?: string | undefined
  /**
   * Which users can use the locks, regardless of the umask: `user`, `group` or `all`, as `SlocketOptions.access`. It requires `root`. Only root, and the
   * directory's owner, can steal locks from other users. Default: what the umask allows.
   */
  readonly access?: LockAccess | undefined
  /**
   * As `slice` of `slocket()`, in milliseconds, from 0 to 60,000: a client may go on with its own exclusive requests for a name for that long before it hands
   * the lock over. Shared requests ignore it. Default: `0`, strict order.
   */
  readonly slice?: number | undefined
  /** An engine that keeps the locks, instead of a directory. It gets the names as its resources. Default: the local engine. */
  readonly engine?: Engine | undefined
}

/** Locks by name, as in the Web Locks specification, among all processes and threads of this machine. */
export interface LockManager {
  /**
   * Waits for the lock `name`, calls `callback` while it is held, and releases it once the promise that `callback` returns has settled. Resolves
   * with the result of `callback`. First come, first served for each name, among all processes and threads.
   *
   * If the holder crashes, the next waiter gets the lock.
   *
   * ```js
   * await locks.request('ledger', async () => { await addUp(await readLedger()) })
   * ```
   *
   * @throws (by the promise) TypeError for wrong arguments; a DOMException: NotSupportedError for options that can't be combined, AbortError if the
   * lock was stolen, SecurityError if the directory can't be used; `signal.reason`; whatever the callback throws.
   */
  request<T>(name: string, callback: (lock: WebLock) => T): Promise<Awaited<T>>
  /**
   * Waits for the lock `name`, calls `callback` while it is held, and releases it once the promise that `callback` returns has settled. Resolves
   * with the result of `callback`. If `options.signal` aborts the wait, it rejects with `signal.reason`.
   *
   * @throws (by the promise) as without options.
   */
  request<T>(
    name: string,
    options: LockOptions & { ifAvailable?: false },
    callback: (lock: WebLock) => T,
  ): Promise<Awaited<T>>
  /**
   * Calls `callback` with the lock `name` if it is available, and with `null` if not. It never waits. Releases the lock once the promise
   * that `callback` returns has settled, and resolves with the result of `callback`.
   *
   * ```js
   * await locks.request('ledger', { ifAvailable: true }, async (lock) => { if (lock !== null) await addUp(await readLedger()) })
   * ```
   *
   * @throws (by the promise) as without options.
   */
  request<T>(name: string, options: LockOptions, callback: LockGrantedCallback<T>): Promise<Awaited<T>>
  /**
   * Lists all holders and all waiters, of all names, processes and threads. It takes no lock and does not affect them.
   *
   * ```js
   * const { held, pending } = await locks.query()
   * ```
   */
  query(): Promise<LockManagerSnapshot>
}
