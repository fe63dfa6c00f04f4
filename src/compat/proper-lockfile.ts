/**
 * `slocket/proper-lockfile`: the calls, options, results and errors of proper-lockfile 4.1.2, over locks of slocket.
 *
 *  1. A lock is at the same path, `FILE.lock`. What proper-lockfile itself makes there is respected as it respects its own:
 *     held while it is fresh.
 *  2. `stale`, `update` and `fs` are accepted. Of `stale` is left what 1. needs; of `fs`, `realpath` and `stat`.
 *  3. Nothing is made again and again while a lock is held, no signal handler is set, and no holder is taken for dead.
 *
 * docs/migrating.md says what is the same and what is not.
 */
import type { Stats } from 'node:fs'
import { lstatSync } from 'node:fs'
import path from 'node:path'
import { nextTurn } from '../requests/event-loop.ts'
import { localBesideMkdir } from '../engines/local/index.ts'
import { isMkdirLock } from '../engines/local/occupant/mkdir-lock.ts'
import { debug } from '../debug.ts'
import { isSlocketError, systemCode } from '../errors.ts'
import type { Lock } from '../lock.ts'
import { slocket } from '../index.ts'
import { isLockedSync, trySync } from '../sync/acquire-sync.ts'
import { isHeld } from '../sync/is-held.ts'
import type { SyncLock } from '../sync/sync-lock.ts'
import type { CheckOptions, LockOptions, UnlockOptions } from './proper-lockfile-options.ts'
import { fileOf, fileOfSync, lockfilePathOf, staleMsOf, statOf, statOfSync } from './proper-lockfile-options.ts'
import { waitOf } from './retries.ts'
import { nextTick, wallNowMs } from '../real-time.ts'

export type { CheckOptions, LockOptions, UnlockOptions } from './proper-lockfile-options.ts'
export type { RetryOptions } from './retries.ts'

/** The result of `require('slocket/proper-lockfile')`: `lock` itself, with the other functions as its properties. */
export interface ProperLockfile {
  (file: string, options?: LockOptions): Promise<() => Promise<void>>
  readonly default: typeof lock
  readonly lock: typeof lock
  readonly unlock: typeof unlock
  readonly check: typeof check
  readonly lockSync: typeof lockSync
  readonly unlockSync: typeof unlockSync
  readonly checkSync: typeof checkSync
}

/** A lock that is held. */
interface Held {
  readonly file: string
  readonly lockPath: string
  readonly lock: Lock | SyncLock
  isOver: boolean
}

/** By the file that it is for, as proper-lockfile finds them. */
const held = new Map<string, Held>()
/** All of them: there may be two for one file, at different paths. */
const all = new Set<Held>()

/**
 * Locks `file`, and resolves with the function that releases the lock. The lock is a directory beside the file, `FILE.lock`. If the holder crashes, the
 * lock is free within milliseconds.
 *
 * ```js
 * const release = await lock('data.json', { retries: 5 })
 * try { await write() } finally { await release() }
 * ```
 *
 * @throws (by the promise) ELOCKED if the lock isn't free, or not within the time of the `retries`; ENOENT and other errors of `realpath` if the file can't
 * be found; the errors of `mkdir`; ERR_SLOCKET_… for what slocket refuses.
 */
export async function lock(file: string, options?: LockOptions): Promise<() => Promise<void>> {
  const lockfilePath = lockfilePathOf(options)
  const canonical = await fileOf(file, options)
  const timeout = waitOf(options?.retries)
  const staleMs = staleMsOf(options)
  const lockPath = lockfilePath ?? `${canonical}.lock`
  let granted: Lock | null
  try {
    const asked = { engine: localBesideMkdir(staleMs), linger: 0, slice: options?.slice }
    granted = await (timeout === 0 ? slocket.try(lockPath, asked) : slocket(lockPath, { ...asked, timeout }))
  } catch (error) {
    if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw lockedError(canonical, error)
    throw asSystemError(error)
  }
  if (granted === null) throw lockedError(canonical)
  const own = note({ file: canonical, lockPath, lock: granted, isOver: false }, options)
  return async () => {
    if (own.isOver) throw releasedError()
    await release(own)
  }
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
  // What follows may be known without asking anybody, and a loop of checks must not starve the event loop.
  await nextTurn()
  if (isHeldHere(lockPath)) return true
  try {
    if (await isHeld(localBesideMkdir(staleMs), lockPath)) return true
    return isForeign(await statOf(lockPath, options), lockPath, staleMs)
  } catch (error) {
    throw asSystemError(error)
  }
}

/** Locks `file`, and returns the function that releases the lock, as {@link lock}. It never waits: `retries` is an error, of code ESYNC. */
export function lockSync(file: string, options?: LockOptions): () => void {
  refuseRetries(options)
  const canonical = fileOfSync(file, options)
  const lockPath = lockfilePathOf(options) ?? `${canonical}.lock`
  let granted: SyncLock | null
  try {
    const mkdirStaleMs = staleMsOf(options)
    granted = trySync({ path: lockPath, mkdirStaleMs }, localBesideMkdir(mkdirStaleMs))
  } catch (error) {
    throw asSystemError(error)
  }
  if (granted === null) throw lockedError(canonical)
  const own = note({ file: canonical, lockPath, lock: granted, isOver: false }, options)
  return () => {
    if (own.isOver) throw releasedError()
    releaseSync(own)
  }
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
    // Known without the thread that asks the holder.
    if (lstatSync(lockPath, { throwIfNoEntry: false }) === undefined) return false
    return (
      isLockedSync({ path: lockPath, mkdirStaleMs: staleMs }) ||
      isForeign(statOfSync(lockPath, options), lockPath, staleMs)
    )
  } catch (error) {
    throw asSystemError(error)
  }
}

/** Whether this thread holds it. If it has lost it, that is found here, and `onCompromised` is called next. */
function isHeldHere(lockPath: string): boolean {
  for (const own of all) if (path.resolve(own.lockPath) === path.resolve(lockPath) && own.lock.held) return true
  return false
}

/** Whether what is at the path, and is held by nobody who uses slocket, is another tool's lock. */
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
    const message = `ENOENT: the lock directory '${own.lockPath}' is gone, or what this process has in it`
    // By nextTick: what it throws is the caller's uncaught exception, as it always was.
    nextTick(onCompromised, Object.assign(new Error(message, { cause: signal.reason }), { code: 'ECOMPROMISED' }))
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
    const released = own.lock.release()
    // It is free; a failure comes too late for this caller.
    if (released instanceof Promise) released.catch((error: unknown) => debug('%s: %s', own.lockPath, error))
  } catch (error) {
    throw asSystemError(error)
  }
}

function heldFor(file: string): Held {
  const own = held.get(file)
  if (own !== undefined) return own
  throw Object.assign(new Error('Lock is not acquired/owned by you'), { code: 'ENOTACQUIRED' })
}

function refuseRetries(options: LockOptions | undefined): void {
  const retries = options?.retries ?? 0
  const count = typeof retries === 'number' ? retries : 'retries' in retries && retries.retries
  if (typeof count !== 'number' || count <= 0) return
  throw Object.assign(new Error('Cannot use retries with the sync api'), { code: 'ESYNC' })
}

function lockedError(file: string, cause?: Error): Error {
  const error = new Error('Lock file is already being held', cause === undefined ? {} : { cause })
  return Object.assign(error, { code: 'ELOCKED', file })
}

function releasedError(): Error {
  return Object.assign(new Error('Lock is already released'), { code: 'ERELEASED' })
}

/** What the system said, where it is the system that refused: those who come from proper-lockfile look for its codes. */
function asSystemError(error: unknown): unknown {
  return isSlocketError(error) && systemCode(error.cause) !== undefined ? error.cause : error
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
