/** Types that describe a lock from outside. Errors, options and snapshots share them. */

/** `exclusive`: there is no other holder. `shared`: other shared holders are allowed. */
export type LockMode = 'exclusive' | 'shared'

/** A holder of a lock, or a waiter. */
export interface LockRequest {
  /** Whether it allows other holders: `exclusive` or `shared`. `exclusive` for a semaphore, too. */
  readonly mode: LockMode
  /** The number of permits that may be held at the same time, as this request gave it. Missing if the lock isn't a semaphore. */
  readonly permits?: number
  /** How many of the permits it takes. Missing if the lock isn't a semaphore. */
  readonly take?: number
  /**
   * The process id, as that process sees it. For people to read: in another pid namespace it means another process. Missing if the engine can't
   * see it, as when PostgreSQL hides the sessions of other roles.
   */
  readonly pid?: number
  /** When it acquired the lock, or began to wait. Missing if the engine can't see it, like `pid`. */
  readonly since?: Date
  /** Its `options.label`. Missing if it has none, or if its event loop was blocked, so that it couldn't be asked. */
  readonly label?: string
  /** Its command line. Missing if it couldn't be asked. */
  readonly command?: string
  /** Whether it belongs to this process (or this worker thread), by `slocket()` or `slocket.sync()`. */
  readonly self: boolean
}

/**
 * What is at the path of a lock instead of a lock.
 *
 * | kind | what it is | what a request does |
 * | --- | --- | --- |
 * | `file` | a regular file, such as a lock of flock(1) or lockfile | waits until it is gone |
 * | `socket` | a socket that another program listens on (slocket 1) | waits until it is gone |
 * | `dead-socket` | a socket that no program listens on | waits until it is gone; `try` and `timeout: 0`: ERR_SLOCKET_DEAD_SOCKET |
 * | `mkdir-lock` | for `slocket/proper-lockfile` only: an empty directory made by proper-lockfile | waits until it is gone, or stale |
 * | `directory` | a directory with other content | ERR_SLOCKET_NOT_A_LOCK |
 * | `link` | a symbolic link, whatever its target | ERR_SLOCKET_NOT_A_LOCK |
 * | `fifo` | a named pipe | ERR_SLOCKET_NOT_A_LOCK |
 * | `device` | a character or block device | ERR_SLOCKET_NOT_A_LOCK |
 */
export type ObstacleKind = 'file' | 'socket' | 'dead-socket' | 'mkdir-lock' | 'directory' | 'link' | 'fifo' | 'device'

/** Something at the path of a lock that isn't a lock. */
export interface Obstacle {
  /** What it is, for programs. */
  readonly kind: ObstacleKind
  /** What it is, its path, and what to do about it, for people. */
  readonly message: string
}

/** The state of a wait: the argument of `SlocketOptions.onWait`. */
export interface WaitNotice {
  /** The holders, as `slocket.query` shows them. Empty for a moment between two holders, or if only something else at the path is in the way. */
  readonly held: LockRequest[]
  /** How many requests wait ahead of this one. */
  readonly ahead: number
  /** Something at the path that isn't a lock and keeps the lock from being acquired. Missing if there is nothing. */
  readonly obstacle?: Obstacle
}

/** The holders of a lock and its waiters, each in queue order, at one moment. */
export interface LockSnapshot {
  /** The holders. Empty if the lock is free. */
  readonly held: LockRequest[]
  /** The waiters, the next one first. */
  readonly pending: LockRequest[]
  /** Something at the path that isn't a lock and keeps the lock from being acquired. Missing if there is nothing. */
  readonly obstacle?: Obstacle
}
