/** The words of the Web Locks specification, as types; they fit those of TypeScript's `lib.dom`. */
import type { Engine } from '../contract/engine.ts'
import type { LockAccess } from '../contract/lock-access.ts'
import type { LockMode } from '../options.ts'

export type { LockMode }

/** A lock that is held, as its callback gets it. */
export interface WebLock {
  /** The name that was asked for, unchanged. */
  readonly name: string
  /** Whether others may hold with it. */
  readonly mode: LockMode
}

/** Called once, with the lock, or with null where `ifAvailable` was asked for and it is not available. */
export type LockGrantedCallback<T> = (lock: WebLock | null) => T

/** What can be said with a name. */
export interface LockOptions {
  /** Take the lock only if that needs no waiting; else the callback gets null. Default: false. */
  ifAvailable?: boolean
  /** `exclusive`: nobody holds with me. `shared`: others who share may. Default: `exclusive`. */
  mode?: LockMode
  /** Calls the request off: it rejects with `signal.reason`. Has no effect once the lock is granted. */
  signal?: AbortSignal
  /** Take the lock from whoever holds it: their requests reject with an AbortError, while their callbacks go on. Default: false. */
  steal?: boolean
}

/** One who holds a lock, or waits for it. */
export interface LockInfo {
  /** Which context (process or worker thread) it belongs to. Never that of another one, and never used again. */
  clientId: string
  /** Whether others may hold with it. */
  mode: LockMode
  /** The name of the lock. */
  name: string
}

/** All who hold, in the order of the grants, and all who wait, in the order of the requests. */
export interface LockManagerSnapshot {
  /** Those who hold. */
  held: LockInfo[]
  /** Those who wait. */
  pending: LockInfo[]
}

/** Where the locks of a {@link LockManager} live. */
export interface LockManagerOptions {
  /**
   * The directory of these locks; its parent must exist. A relative path counts from the working directory at the time of construction. All managers over one directory are one, in whichever process. Default: one
   * of the user's own, see docs/web-locks.md.
   */
  readonly root?: string | undefined
  /**
   * Who can use these locks, whatever the umask is, as `SlocketOptions.access` has it for one lock: `user`, `group` or `all`. It needs `root`. Only
   * root, and the directory's owner, can steal from other users. Default: what the umask leaves.
   */
  readonly access?: LockAccess | undefined
  /** Instead of a directory: an engine, which gets the names as its resources. */
  readonly engine?: Engine | undefined
}

/** Locks by name, as the Web Locks specification has them, among all processes and threads of this machine. */
export interface LockManager {
  /**
   * Waits its turn for the lock `name`, calls `callback` under it, and releases it when what that returns has settled. Gives
   * what the callback gave. First come, first served for each name, among all processes and threads.
   *
   * When a holder dies, however it dies, the next one has the lock. `options.signal` calls the wait off.
   *
   * ```js
   * await locks.request('ledger', async (lock) => { await addUp(await readLedger()) })
   * ```
   *
   * @throws (by the promise) TypeError for wrong arguments; DOMExceptions: NotSupportedError for options that do not go together,
   * AbortError where the lock was stolen, SecurityError where the directory cannot be used; `signal.reason`; what the callback throws.
   */
  request<T>(name: string, callback: LockGrantedCallback<T>): Promise<Awaited<T>>
  request<T>(name: string, options: LockOptions, callback: LockGrantedCallback<T>): Promise<Awaited<T>>
  /**
   * Who holds and who waits, of all names, processes and threads. Takes no lock and disturbs nobody.
   *
   * ```js
   * const { held, pending } = await locks.query()
   * ```
   */
  query(): Promise<LockManagerSnapshot>
}
