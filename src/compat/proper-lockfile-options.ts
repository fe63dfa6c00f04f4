/** The options of proper-lockfile, and what they mean here. */
import type { Stats } from 'node:fs'
import nodeFs from 'node:fs'
import path from 'node:path'
import { systemCode } from '../errors.ts'
import type { MkdirOptions } from './mkdir-lock.ts'
import type { RetryOptions } from './retries.ts'

/** Options of `lock` and `lockSync`. */
export interface LockOptions extends CheckOptions {
  /**
   * How often a lock of kind `mkdir` is renewed, in milliseconds: from 1000 to half of `stale`. Any other lock needs no heartbeat, and ignores it. Default:
   * half of `stale`.
   */
  update?: number | undefined
  /**
   * How long to wait, in the terms of the package retry: as long as that many retries would take. The call waits in the queue for that time, and gets the
   * lock as soon as its turn comes; then it fails with ELOCKED. A number of retries, options, or the timeouts themselves. A lock of kind `mkdir` has no
   * queue: the call looks again once a second, or sooner. Default: `0`, which never waits.
   */
  retries?: number | RetryOptions | readonly number[] | undefined
  /**
   * As `slice` of `slocket()`, in milliseconds, from 0 to 60,000: lets a process that locks again in the same turn of the event loop keep the lock for that
   * long. `lock` looks up the file first, which takes a turn; with `realpath: false` it does not. `lockSync`, and locks of kind `mkdir`, ignore it. Default: `0`,
   * strict order.
   */
  slice?: number | undefined
  /**
   * Called if the lock is lost while it is held, because its directory was removed: with an error of code ECOMPROMISED. A lock of kind `mkdir` is also lost
   * if it could not be renewed for `stale` ms, or if another process took it over. Default: throws the error, as an uncaught exception.
   */
  onCompromised?: ((error: Error) => unknown) | undefined
}

/** Options of `check` and `checkSync`. */
export interface CheckOptions extends UnlockOptions {
  /**
   * The age, in milliseconds, after which a lock of kind `mkdir`, or of proper-lockfile itself, counts as abandoned. At least 2000. Other locks of
   * slocket have no age. Default: `10_000`.
   */
  stale?: number | undefined
}

/** Options of `unlock` and `unlockSync`. */
export interface UnlockOptions {
  /** Whether to follow symbolic links to `file`. If true, `file` must exist. Default: `true`. */
  realpath?: boolean | undefined
  /**
   * A replacement for Node's `fs`. Only its `realpath` and `stat` (or `realpathSync` and `statSync`) are used; for locks of kind `mkdir`, its `mkdir`,
   * `rmdir` and `utimes` as well. Default: Node's.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- As callers have it declared.
  fs?: any
  /** The path of the lock. Default: `FILE.lock`, beside the file. */
  lockfilePath?: string | undefined
}

/**
 * What a lock is made of. `slocket`: sockets; it is free as soon as its holder has ended. `mkdir`: what proper-lockfile makes, an empty directory that
 * is renewed every `update` ms and is stale if it isn't renewed for `stale` ms, because slocket refuses to make locks at that path: on a network file
 * system, on a file system without sockets, in a directory of another user, in a sandbox without sockets, or without `/proc` in Deno or Bun.
 */
export type LockKind = 'slocket' | 'mkdir'

/**
 * Releases a lock that `lock` made. Rejects with ERELEASED if it was released before, or is known to be lost; with ECOMPROMISED if it turns
 * out now that another process has taken over a lock of kind `mkdir`.
 */
export interface Release {
  (): Promise<void>
  /** What the lock is made of. */
  readonly kind: LockKind
}

/** Releases a lock that `lockSync` made. Throws as {@link Release} rejects. */
export interface SyncRelease {
  (): void
  /** What the lock is made of. */
  readonly kind: LockKind
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
const LEAST_UPDATE_MS = 1000
/** The longest delay of a timer, in ms. Node fires after 1 ms for a longer one. */
const MOST_UPDATE_MS = 2 ** 31 - 1

/** The one name of a file that may have several. */
export function fileOf(file: string, options: UnlockOptions | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    if (!followsLinks(options)) return resolve(path.resolve(file))
    const done: Callback<string> = (error, result) => (error ? reject(error) : resolve(result))
    // Node's fs.realpath goes on by process.nextTick, which a test may have faked. The native one would read a relative path later.
    if (options?.fs === undefined) nodeFs.realpath.native(absolute(file), done)
    else fsOf(options).realpath(file, done)
  })
}

export function fileOfSync(file: string, options: UnlockOptions | undefined): string {
  if (!followsLinks(options)) return path.resolve(file)
  // As above: on Windows, the other one keeps the case in which the path was given.
  if (options?.fs === undefined) return nodeFs.realpathSync.native(absolute(file))
  return fsOf(options).realpathSync(file)
}

/** A URL or a Buffer stays: only with `realpath: false` does proper-lockfile refuse those. */
function absolute(file: unknown): string {
  return typeof file === 'string' ? path.resolve(file) : (file as string)
}

/** What is at `file`; undefined if nothing is there. */
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

/** What a lock of kind `mkdir` needs. */
export function mkdirOptionsOf(options: LockOptions | undefined): MkdirOptions {
  const staleMs = staleMsOf(options)
  const update: unknown = options?.update ?? staleMs / 2
  const mostMs = Math.min(staleMs / 2, MOST_UPDATE_MS)
  return { staleMs, updateMs: Math.max(Math.min(Number(update) || 0, mostMs), LEAST_UPDATE_MS), fs: options?.fs }
}

function followsLinks(options: UnlockOptions | undefined): boolean {
  // As there: an explicit undefined doesn't mean the default.
  const { realpath } = { realpath: true, ...options }
  return Boolean(realpath)
}

function fsOf(options: UnlockOptions | undefined): Fs {
  return (options?.fs ?? nodeFs) as Fs
}
