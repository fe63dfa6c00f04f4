/** What can be said to proper-lockfile, and what it means here. */
import type { Stats } from 'node:fs'
import nodeFs from 'node:fs'
import path from 'node:path'
import { systemCode } from '../errors.ts'
import type { RetryOptions } from './retries.ts'

/** Options of `lock` and `lockSync`. */
export interface LockOptions extends CheckOptions {
  /** Accepted, and of no meaning: nothing has to be kept fresh. */
  readonly update?: number | undefined
  /**
   * How long to wait, in the terms of the package retry: for as long as so many retries would have lasted. One waits in the
   * queue for that time, and has the lock as soon as its turn comes. Default: 0, not at all.
   */
  readonly retries?: number | RetryOptions | readonly number[] | undefined
  /**
   * Called where the lock is really lost: somebody has removed its directory. Gets an error of code ECOMPROMISED. Default:
   * throws it, as an uncaught exception.
   */
  readonly onCompromised?: ((error: Error) => unknown) | undefined
}

/** Options of `check` and `checkSync`. */
export interface CheckOptions extends UnlockOptions {
  /**
   * How old, in ms, a directory has to be that proper-lockfile itself has made at the same path, for its maker to count as
   * dead. Locks of slocket do not age. Default: 10,000; at least 2,000.
   */
  readonly stale?: number | undefined
}

/** Options of `unlock` and `unlockSync`. */
export interface UnlockOptions {
  /** Whether to follow symbolic links to `file`, which must exist then. Default: true. */
  readonly realpath?: boolean | undefined
  /** Of another `fs` than Node's, `realpath` and `stat` (or `realpathSync` and `statSync`) are used. */
  // oxlint-disable-next-line typescript/no-explicit-any -- As callers have it declared.
  readonly fs?: any
  /** Where the lock is. Default: `FILE.lock`. */
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
