/** The options of proper-lockfile, and what they mean here. */
import type { Stats } from 'node:fs'
import nodeFs from 'node:fs'
import path from 'node:path'
import { systemCode } from '../errors.ts'
import type { RetryOptions } from './retries.ts'

/** Options of `lock` and `lockSync`. */
export interface LockOptions extends CheckOptions {
  /** Has no effect: a lock needs no heartbeat. Accepted because callers of proper-lockfile set it. */
  readonly update?: number | undefined
  /**
   * How long to wait, in the terms of the package retry: as long as that many retries would take. The call waits in the queue for that time, and gets the
   * lock as soon as its turn comes; then it fails with ELOCKED. A number of retries, options, or the timeouts themselves. Default: `0`, which never waits.
   */
  readonly retries?: number | RetryOptions | readonly number[] | undefined
  /**
   * As `slice` of `slocket()`, in milliseconds, from 0 to 60,000: lets a process that locks again in the same turn of the event loop keep the lock for that
   * long. `lock` looks up the file first, which takes a turn; with `realpath: false` it does not. `lockSync` ignores it. Default: `0`, strict order.
   */
  readonly slice?: number | undefined
  /**
   * Called if the lock is lost while it is held, because its directory was removed: with an error of code ECOMPROMISED. Default: throws the error, as an
   * uncaught exception.
   */
  readonly onCompromised?: ((error: Error) => unknown) | undefined
}

/** Options of `check` and `checkSync`. */
export interface CheckOptions extends UnlockOptions {
  /**
   * The age, in milliseconds, after which a lock that proper-lockfile itself has made at the same path counts as abandoned. At least 2000. Locks of
   * slocket have no age. Default: `10_000`.
   */
  readonly stale?: number | undefined
}

/** Options of `unlock` and `unlockSync`. */
export interface UnlockOptions {
  /** Whether to follow symbolic links to `file`. If true, `file` must exist. Default: `true`. */
  readonly realpath?: boolean | undefined
  /** A replacement for Node's `fs`. Only its `realpath` and `stat` (or `realpathSync` and `statSync`) are used. Default: Node's. */
  // oxlint-disable-next-line typescript/no-explicit-any -- As callers have it declared.
  readonly fs?: any
  /** The path of the lock. Default: `FILE.lock`, beside the file. */
  readonly lockfilePath?: string | undefined
}

type Callback<T> = (error: Error | null, result: T) => void

/** What is used of an `fs`. */
interface Fs {
  realpath(file: string, callback: Callback<string>): void
  realpathSync(file: string): string
  stat(file: string, callback: Callback<Stats>): void
  statSync(file: string): Stats
}

const DEFAULT_STALE_MS = 10_000
const LEAST_STALE_MS = 2000

/** The one name of a file that may have several. */
export function fileOf(file: string, options: UnlockOptions | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    if (!followsLinks(options)) return resolve(path.resolve(file))
    const done: Callback<string> = (error, result) => (error ? reject(error) : resolve(result))
    // Node's fs.realpath goes on by process.nextTick, which a test may have faked. The native one would read a relative path later.
    if (options?.fs === undefined) nodeFs.realpath.native(path.resolve(file), done)
    else fsOf(options).realpath(file, done)
  })
}

export function fileOfSync(file: string, options: UnlockOptions | undefined): string {
  return followsLinks(options) ? fsOf(options).realpathSync(file) : path.resolve(file)
}

/** What is at `file`; undefined where nothing is. */
export function statOf(file: string, options: UnlockOptions | undefined): Promise<Stats | undefined> {
  return new Promise((resolve, reject) => {
    fsOf(options).stat(file, (error, stats) => {
      if (error && systemCode(error) !== 'ENOENT') reject(error)
      else resolve(error ? undefined : stats)
    })
  })
}

export function statOfSync(file: string, options: UnlockOptions | undefined): Stats | undefined {
  try {
    return fsOf(options).statSync(file)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    return undefined
  }
}

/** The absolute path that the options say; undefined if they say none. Called before the first await: the working directory may change. */
export function lockfilePathOf(options: UnlockOptions | undefined): string | undefined {
  return options?.lockfilePath ? path.resolve(options.lockfilePath) : undefined
}

export function staleMsOf(options: CheckOptions | undefined): number {
  const { stale } = { stale: DEFAULT_STALE_MS, ...options }
  return Math.max(Number(stale) || 0, LEAST_STALE_MS)
}

function followsLinks(options: UnlockOptions | undefined): boolean {
  // As there: what is given as undefined is no default.
  const { realpath } = { realpath: true, ...options }
  return Boolean(realpath)
}

function fsOf(options: UnlockOptions | undefined): Fs {
  return (options?.fs ?? nodeFs) as Fs
}
