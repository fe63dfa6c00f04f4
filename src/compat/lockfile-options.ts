/** The options and errors of lockfile, and what they mean here. */

/** Options of `lock`. Others are ignored, as lockfile ignores them. */
export interface LockOptions extends SyncLockOptions {
  /**
   * How long to wait for the lock, in milliseconds. The call waits in the queue, first come, first served, and gets the lock as soon as its turn comes.
   * Default: `0`, which never waits.
   */
  wait?: number | undefined
  /** How often the call looks whether a file of lockfile itself has become stale, in milliseconds. Locks of slocket are not polled. Default: `100`. */
  pollPeriod?: number | undefined
  /** How long to wait between two of the `retries`, in milliseconds. Default: `0`. */
  retryWait?: number | undefined
}

/** Options of `lockSync`. */
export interface SyncLockOptions extends CheckOptions {
  /**
   * How many times more to wait for `wait` ms. So the call waits for `wait * (retries + 1) + retryWait * retries` ms in all. `lockSync` tries once. Default: `0`.
   */
  retries?: number | undefined
}

/** Options of `check` and `checkSync`. */
export interface CheckOptions {
  /**
   * The age, in milliseconds, after which a regular file at the path counts as abandoned: a lock of lockfile itself, or a file that was made because
   * slocket refuses to make a lock there. Other locks of slocket have no age. Default: files have no age either.
   */
  stale?: number | undefined
}

const DEFAULT_POLL_MS = 100
/** The longest delay of a timer, in ms. */
const MOST_MS = 2 ** 31 - 1

export function pollMsOf({ pollPeriod }: LockOptions): number {
  return Math.min(positive(pollPeriod) || DEFAULT_POLL_MS, MOST_MS)
}

/** How long lockfile would have tried, in ms. */
export function waitOf({ wait, retries, retryWait }: LockOptions): number {
  const more = positive(retries)
  // In lockfile, this never ends; and 0 * Infinity isn't a number.
  if (more === Infinity) return MOST_MS
  return Math.min(positive(wait) * (more + 1) + positive(retryWait) * more, MOST_MS)
}

/** 0 for anything but a positive number. */
function positive(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0
}

export function waitError(): Error {
  return new Error('opts.wait not supported sync for obvious reasons')
}

export function existsError(lockPath: string, cause?: Error): Error {
  const message = `EEXIST: file already exists, open '${lockPath}'`
  const error = new Error(message, cause === undefined ? {} : { cause })
  return Object.assign(error, { errno: -17, code: 'EEXIST', syscall: 'open', path: lockPath })
}

export function notHeldError(lockPath: string): Error {
  const message = `the lock '${lockPath}' is held by another process, and was never held by this one: it was not released`
  return Object.assign(new Error(message), { code: 'ENOTACQUIRED', path: lockPath })
}
