/**
 * `slocket/proper-lockfile`: the calls, options, results and errors of proper-lockfile 4.1.2, over locks of slocket.
 *
 *  1. A lock is at the same path, `FILE.lock`. What proper-lockfile itself makes there is respected as it respects its own:
 *     held while it is fresh.
 *  2. `stale`, `update` and `fs` are accepted. Of `stale` is left what 1. needs; of `fs`, `realpath` and `stat`.
 *  3. Nothing is renewed while a lock is held, no signal handler is set, and no holder is taken for dead.
 *  4. If slocket refuses (on a network file system, above all), a lock is what it was there, and 2. and 3. don't hold: mkdir-lock.ts.
 *
 * docs/migrating.md says what is the same and what is not.
 */
import type { Stats } from 'node:fs'
import { lstatSync } from 'node:fs'
import path from 'node:path'
import { localBesideMkdir } from '../engines/local/index.ts'
import { isMkdirLock } from '../engines/local/occupant/mkdir-lock.ts'
import { debug } from '../debug.ts'
import { isSlocketError } from '../errors.ts'
import type { Lock } from '../lock.ts'
import { slocket } from '../index.ts'
import { isLockedSync, trySync } from '../sync/acquire-sync.ts'
import { isLockHeld } from '../sync/is-held.ts'
import type { SyncLock } from '../sync/sync-lock.ts'
import type {
  CheckOptions,
  LockKind,
  LockOptions,
  Release,
  SyncRelease,
  UnlockOptions,
} from './proper-lockfile-options.ts'
import { MkdirLock, lockByMkdir, lockByMkdirSync } from './mkdir-lock.ts'
import { isHeld as isHeldByMkdir, run, runSync } from './mkdir-steps.ts'
import {
  fileOf,
  fileOfSync,
  lockfilePathOf,
  mkdirOptionsOf,
  staleMsOf,
  statOf,
  statOfSync,
} from './proper-lockfile-options.ts'
import { waitOf } from './retries.ts'
import { monotonicNowMs, nextTick, wallNowMs, nextTurn } from '../real-time.ts'
import {
  asSystemError,
  compromisedError,
  lockedError,
  notAcquiredError,
  refuseRetries,
  releasedError,
} from './proper-lockfile-errors.ts'
import { unlessRefused, unlessRefusedSync } from './unless-refused.ts'

export type {
  CheckOptions,
  LockKind,
  LockOptions,
  Release,
  SyncRelease,
  UnlockOptions,
} from './proper-lockfile-options.ts'
export type { RetryOptions } from './retries.ts'

/** The result of `require('slocket/proper-lockfile')`: `lock` itself, with the other functions as its properties. */
export interface ProperLockfile {
  (file: string, options?: LockOptions): Promise<Release>
  readonly default: typeof lock
  readonly lock: typeof lock
  readonly unlock: typeof unlock
  readonly check: typeof check
  readonly lockSync: typeof lockSync
  readonly unlockSync: typeof unlockSync
  readonly checkSync: typeof checkSync
}

/** A held lock. */
interface Held {
  readonly file: string
  readonly lockPath: string
  readonly lock: Lock | SyncLock | MkdirLock
  isOver: boolean
}

/** By the file that the lock is for, as proper-lockfile finds them. */
const held = new Map<string, Held>()
/** All of them: there may be two for one file, at different paths. */
const all = new Set<Held>()

/**
 * Locks `file`, and resolves with the function that releases the lock. The lock is a directory beside the file, `FILE.lock`. If the holder crashes, the
 * lock is free within milliseconds; if its kind is `mkdir`, after `stale` ms ({@link LockKind}).
 *
 * ```js
 * const release = await lock('data.json', { retries: 5 })
 * try { await write() } finally { await release() }
 * ```
 *
 * @throws (by the promise) ELOCKED if the lock isn't free, or not within the time of the `retries`; ENOENT and other errors of `realpath` if the file can't
 * be found; the errors of `mkdir`; ERR_SLOCKET_NOT_A_LOCK, ERR_SLOCKET_DEAD_SOCKET, ERR_SLOCKET_CLAIM_MISMATCH,
 * ERR_SLOCKET_PATH_TOO_LONG, ERR_SLOCKET_OTHER_KERNEL, ERR_SLOCKET_OTHER_MOUNT, ERR_SLOCKET_SYSTEM.
 */
export async function lock(file: string, options?: LockOptions): Promise<Release> {
  const lockfilePath = lockfilePathOf(options)
  const canonical = await fileOf(file, options)
  const timeout = waitOf(options?.retries)
  const staleMs = staleMsOf(options)
  const lockPath = lockfilePath ?? `${canonical}.lock`
  const deadlineMs = timeout === undefined ? undefined : monotonicNowMs() + timeout
  let refused: Error | undefined
  let granted: Lock | MkdirLock | null
  try {
    granted = await unlessRefused<Lock | MkdirLock | null>(
      lockPath,
      () => {
        const asked = { engine: localBesideMkdir(staleMs), linger: 0, slice: options?.slice }
        return timeout === 0 ? slocket.try(lockPath, asked) : slocket(lockPath, { ...asked, timeout })
      },
      (refusal) => {
        refused = refusal
        return lockByMkdir(lockPath, mkdirOptionsOf(options), deadlineMs)
      },
    )
  } catch (error) {
    if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw lockedError(canonical, error)
    throw asSystemError(error)
  }
  if (granted === null) throw lockedError(canonical, refused)
  const own = note({ file: canonical, lockPath, lock: granted, isOver: false }, options)
  const releaseIt = async (): Promise<void> => {
    if (own.isOver) throw releasedError()
    await release(own)
  }
  return Object.assign(releaseIt, { kind: kindOf(own) })
}

/**
 * Releases the lock of `file`.
 *
 * @throws (by the promise) ENOTACQUIRED if this process (or worker thread) does not hold it; the errors of `realpath`.
 */
export async function unlock(file: string, options?: UnlockOptions): Promise<void> {
  await release(heldFor(await fileOf(file, options)))
}

/** Resolves with whether the lock of `file` is held, by any process. */
export async function check(file: string, options?: CheckOptions): Promise<boolean> {
  const lockfilePath = lockfilePathOf(options)
  const canonical = await fileOf(file, options)
  const lockPath = lockfilePath ?? `${canonical}.lock`
  const staleMs = staleMsOf(options)
  // The answer may need no other process, and a loop of checks must not starve the event loop.
  await nextTurn()
  if (isHeldHere(lockPath)) return true
  try {
    return await unlessRefused(
      lockPath,
      async () => {
        if (await isLockHeld(localBesideMkdir(staleMs), lockPath)) return true
        return isForeign(await statOf(lockPath, options), lockPath, staleMs)
      },
      () => run(isHeldByMkdir(lockPath, staleMs), options?.fs),
    )
  } catch (error) {
    throw asSystemError(error)
  }
}

/** Locks `file`, and returns the function that releases the lock, as {@link lock}. It never waits: `retries` is an error, of code ESYNC. */
export function lockSync(file: string, options?: LockOptions): SyncRelease {
  refuseRetries(options)
  const canonical = fileOfSync(file, options)
  const lockPath = lockfilePathOf(options) ?? `${canonical}.lock`
  let refused: Error | undefined
  let granted: SyncLock | MkdirLock | null
  try {
    granted = unlessRefusedSync<SyncLock | MkdirLock | null>(
      lockPath,
      () => {
        const mkdirStaleMs = staleMsOf(options)
        return trySync({ path: lockPath, mkdirStaleMs }, localBesideMkdir(mkdirStaleMs))
      },
      (refusal) => {
        refused = refusal
        return lockByMkdirSync(lockPath, mkdirOptionsOf(options))
      },
    )
  } catch (error) {
    throw asSystemError(error)
  }
  if (granted === null) throw lockedError(canonical, refused)
  const own = note({ file: canonical, lockPath, lock: granted, isOver: false }, options)
  const releaseIt = (): void => {
    if (own.isOver) throw releasedError()
    releaseSync(own)
  }
  return Object.assign(releaseIt, { kind: kindOf(own) })
}

/** Releases the lock of `file`, as {@link unlock}. The lock is free when this returns. */
export function unlockSync(file: string, options?: UnlockOptions): void {
  releaseSync(heldFor(fileOfSync(file, options)))
}

/** Returns whether the lock of `file` is held, as {@link check}. */
export function checkSync(file: string, options?: CheckOptions): boolean {
  const canonical = fileOfSync(file, options)
  const lockPath = lockfilePathOf(options) ?? `${canonical}.lock`
  const staleMs = staleMsOf(options)
  // Its own event loop could not answer for it.
  if (isHeldHere(lockPath)) return true
  try {
    // If nothing is there, it needs no thread that asks the holder. An `fs` of the caller may see more there, for locks that aren't sockets.
    const isThere = lstatSync(lockPath, { throwIfNoEntry: false }) !== undefined
    if (!isThere && options?.fs === undefined) return false
    return unlessRefusedSync(
      lockPath,
      () =>
        (isThere && isLockedSync({ path: lockPath, mkdirStaleMs: staleMs })) ||
        isForeign(statOfSync(lockPath, options), lockPath, staleMs),
      () => runSync(isHeldByMkdir(lockPath, staleMs), options?.fs),
    )
  } catch (error) {
    throw asSystemError(error)
  }
}

/** Whether this thread holds the lock by sockets. If it has lost the lock, this call finds out, and `onCompromised` is called next. */
function isHeldHere(lockPath: string): boolean {
  for (const own of all) {
    if (path.resolve(own.lockPath) !== path.resolve(lockPath)) continue
    if (!(own.lock instanceof MkdirLock) && own.lock.held) return true
  }
  return false
}

function kindOf(own: Held): LockKind {
  return own.lock instanceof MkdirLock ? 'mkdir' : 'slocket'
}

/** Whether the entry at the path, which isn't a held lock of slocket, is another tool's lock. */
function isForeign(stats: Stats | undefined, lockPath: string, staleMs: number): boolean {
  if (stats === undefined || stats.mtimeMs < wallNowMs() - staleMs) return false
  return !stats.isDirectory() || isMkdirLock(lockPath, staleMs)
}

function note(own: Held, options: LockOptions | undefined): Held {
  all.add(own)
  held.set(own.file, own)
  const onCompromised = options?.onCompromised ?? throwIt
  const signal = own.lock.lossSignal
  signal.addEventListener('abort', () => {
    if (own.isOver) return
    forget(own)
    // By nextTick: if it throws, that is the caller's uncaught exception, as in proper-lockfile.
    nextTick(
      onCompromised,
      own.lock instanceof MkdirLock ? (signal.reason as Error) : compromisedError(own.lockPath, signal.reason),
    )
  })
  return own
}

function throwIt(error: Error): never {
  throw error
}

function forget(own: Held): void {
  own.isOver = true
  all.delete(own)
  if (held.get(own.file) === own) held.delete(own.file)
}

async function release(own: Held): Promise<void> {
  forget(own)
  try {
    await own.lock.release()
  } catch (error) {
    throw asSystemError(error)
  }
}

function releaseSync(own: Held): void {
  forget(own)
  try {
    const released = own.lock instanceof MkdirLock ? own.lock.releaseSync() : own.lock.release()
    // It is free; a failure comes too late for this caller.
    if (released instanceof Promise) released.catch((error: unknown) => debug('%s: %s', own.lockPath, error))
  } catch (error) {
    throw asSystemError(error)
  }
}

function heldFor(file: string): Held {
  const own = held.get(file)
  if (own !== undefined) return own
  throw notAcquiredError()
}

const properLockfile: ProperLockfile = Object.assign(lock, {
  default: lock,
  lock,
  unlock,
  check,
  lockSync,
  unlockSync,
  checkSync,
})

export default properLockfile
