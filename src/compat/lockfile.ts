/**
 * `slocket/lockfile`: the calls, options and errors of lockfile 1.0.4, over locks of slocket.
 *
 *  1. A lock is at the same path. A regular file there, which lockfile itself makes, is respected as lockfile respects it: it is held until it is gone, or
 *     older than `stale`.
 *  2. Locks of slocket have no age, and only their holder releases them.
 *  3. If slocket refuses (on a network file system, above all), a lock is a file, as in lockfile: file-lock.ts.
 *
 * docs/migrating.md says what is the same and what is not.
 */
import fs from 'node:fs'
import path from 'node:path'
import { localFor } from '../engines/local/index.ts'
import { debug } from '../debug.ts'
import { isSlocketError, systemCode } from '../errors.ts'
import { slocket } from '../index.ts'
import { parsePath } from '../requests/arguments.ts'
import { clearInterval, monotonicNowMs, nextTick, setInterval, sleep } from '../real-time.ts'
import { isLockedSync, trySync } from '../sync/acquire-sync.ts'
import { isLockHeld } from '../sync/is-held.ts'
import type { Age, FileTime } from './file-lock.ts'
import { isTooOld, makeFileLock, removeForeignFile, removeStaleFile } from './file-lock.ts'
import type { CheckOptions, LockOptions, SyncLockOptions } from './lockfile-options.ts'
import { existsError, notHeldError, pollMsOf, waitError, waitOf } from './lockfile-options.ts'
import { unlessRefused, unlessRefusedSync } from './unless-refused.ts'

export type { CheckOptions, LockOptions, SyncLockOptions } from './lockfile-options.ts'
/** As `@types/lockfile` names them. */
export type Options = LockOptions

// The types of the callbacks are those of `@types/lockfile`, so that callbacks written for it are accepted. lockfile itself leaves `null` and `isLocked` out.

/** Called once the lock is held, or with an error. */
export type LockCallback = (error: Error | null) => void
/** Called with whether the lock is held. */
export type CheckCallback = (error: Error | null, isLocked: boolean) => void

/** The default export, and the result of `require('slocket/lockfile')`. */
export interface Lockfile {
  readonly lock: typeof lock
  readonly lockSync: typeof lockSync
  readonly unlock: typeof unlock
  readonly unlockSync: typeof unlockSync
  readonly check: typeof check
  readonly checkSync: typeof checkSync
}

/** A held lock. */
interface Held {
  /** False if it was lost. */
  readonly held: boolean
  release(): Promise<void> | void
}

/** The locks of this process (or worker thread), by absolute path. */
const held = new Map<string, Held>()
/** The last locks that it has held before: releasing one of these again isn't an error. */
const heldBefore = new Set<string>()
const MOST_REMEMBERED = 10_000

/**
 * Acquires the lock at the path `file`, and calls `callback`. If the holder crashes or ends, the lock is free within milliseconds. If slocket refuses to
 * make a lock (on a network file system, above all), the lock is a regular file, as lockfile makes it: it is removed when the process exits, and stays after a crash.
 *
 * ```js
 * lock('some-file.lock', { wait: 5000 }, (error) => {
 *   if (error) throw error
 *   unlock('some-file.lock', () => {})
 * })
 * ```
 *
 * @param callback is called exactly once: without an error, or with EEXIST if the lock isn't free, or not within the time of `wait`, `retries` and
 *   `retryWait`; with another error of the system; or with an ERR_SLOCKET_… code.
 * @throws TypeError for a wrong path, or without a callback.
 */
export function lock(file: string, callback: LockCallback): void
export function lock(file: string, options: LockOptions, callback: LockCallback): void
export function lock(file: string, ...rest: readonly unknown[]): void {
  const [options, callback] = optionsAndCallback<LockOptions>(rest)
  const lockPath = resolvePath(file)
  settle(acquire(lockPath, options), (error) => (error === null ? (callback as () => void)() : callback(error)))
}

/**
 * Acquires the lock as `lock`, at once.
 *
 * @throws EEXIST if the lock isn't free; another error of the system, or one with an ERR_SLOCKET_… code; TypeError for a wrong path; an error if `wait` or
 *   `retryWait` is given.
 */
export function lockSync(file: string, options?: SyncLockOptions): void {
  const asked: LockOptions = options ?? {}
  if (asked.wait || asked.retryWait) throw waitError()
  const lockPath = resolvePath(file)
  try {
    keep(
      lockPath,
      unlessRefusedSync<Held | null>(
        lockPath,
        () => {
          removeIfStale(lockPath, asked)
          return trySync({ path: lockPath, mkdirStaleMs: undefined }, localFor(undefined))
        },
        () => tryFile(lockPath, asked),
      ),
    )
  } catch (error) {
    throw asSystemError(error)
  }
}

/**
 * Releases the lock at the path `file`. It isn't an error if this process has released it before, or if it isn't held.
 *
 * @param callback is called with an error of code ENOTACQUIRED if another process holds the lock, and this process has never had it. If this process
 *   has never had it, a regular file that lockfile itself has made is removed; a file that can't be read counts as held by another process.
 * @throws TypeError for a wrong path.
 */
export function unlock(file: string, callback?: LockCallback): void {
  const lockPath = resolvePath(file)
  settle(releaseOrRefuse(lockPath), (error) =>
    error === null ? (callback as (() => void) | undefined)?.() : callback?.(error),
  )
}

/**
 * Releases the lock as `unlock`. It is free when this returns.
 *
 * @throws ENOTACQUIRED if another process holds the lock, and this process has never had it; ERR_SLOCKET_NOT_A_LOCK for a symbolic link, and for a directory
 * with other content; TypeError for a wrong path.
 */
export function unlockSync(file: string): void {
  const lockPath = resolvePath(file)
  try {
    if (!held.has(lockPath)) return refuseOthersSync(lockPath)
    const released = releaseOwn(lockPath)
    // It is free; a failure comes too late for this caller.
    if (released instanceof Promise) released.catch((error: unknown) => debug('%s: %s', lockPath, error))
  } catch (error) {
    throw asSystemError(error)
  }
}

/**
 * Looks whether the lock at the path `file` is held, by any process. A regular file counts as held, unless it is older than `stale`.
 *
 * @param callback is called with an error of the system, or with null and the answer.
 * @throws TypeError for a wrong path, or without a callback.
 */
export function check(file: string, callback: CheckCallback): void
export function check(file: string, options: CheckOptions, callback: CheckCallback): void
export function check(file: string, ...rest: readonly unknown[]): void {
  const [options, callback] = optionsAndCallback<CheckOptions, CheckCallback>(rest)
  const lockPath = resolvePath(file)
  settle(isLocked(lockPath, options), (error, answer) =>
    error === null ? callback(null, answer!) : (callback as LockCallback)(error),
  )
}

/**
 * Looks whether the lock is held, as `check`.
 *
 * @throws the errors of the system; TypeError for a wrong path; an error if `wait` is given.
 */
export function checkSync(file: string, options?: CheckOptions): boolean {
  const asked: LockOptions = options ?? {}
  if (asked.wait) throw waitError()
  const lockPath = resolvePath(file)
  try {
    return isHeldHere(lockPath) || (isFileLocked(lockPath, asked) ?? isHeldBySocketsSync(lockPath))
  } catch (error) {
    throw asSystemError(error)
  }
}

async function acquire(lockPath: string, options: LockOptions): Promise<void> {
  const waitMs = waitOf(options)
  const deadlineMs = monotonicNowMs() + waitMs
  keep(
    lockPath,
    await unlessRefused<Held | null>(
      lockPath,
      () => acquireBySockets(lockPath, options, waitMs),
      () => acquireFile(lockPath, options, deadlineMs),
    ),
  )
}

async function acquireBySockets(lockPath: string, options: LockOptions, waitMs: number): Promise<Held | null> {
  removeIfStale(lockPath, options)
  if (waitMs === 0) return await slocket.try(lockPath, { linger: 0 })
  const timer = ageOf(options) && setInterval(() => removeQuietly(lockPath, options), pollMsOf(options))
  try {
    return await slocket(lockPath, { linger: 0, timeout: waitMs })
  } catch (error) {
    if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw existsError(lockPath, error)
    throw error
  } finally {
    clearInterval(timer)
  }
}

/** Used if slocket refuses. */
async function acquireFile(lockPath: string, options: LockOptions, deadlineMs: number): Promise<Held | null> {
  for (;;) {
    const lockFile = tryFile(lockPath, options)
    const leftMs = deadlineMs - monotonicNowMs()
    if (lockFile !== null || leftMs <= 0) return lockFile
    await sleep(Math.min(leftMs, pollMsOf(options)))
  }
}

function tryFile(lockPath: string, options: CheckOptions): Held | null {
  removeIfStale(lockPath, options)
  return makeFileLock(lockPath) ?? null
}

/** @throws EEXIST if it is null. */
function keep(lockPath: string, lockHeld: Held | null): void {
  if (lockHeld === null) throw existsError(lockPath)
  held.set(lockPath, lockHeld)
  heldBefore.delete(lockPath)
  heldBefore.add(lockPath)
  for (const oldest of heldBefore) {
    if (heldBefore.size <= MOST_REMEMBERED) break
    heldBefore.delete(oldest)
  }
}

/** If it throws, the lock is held as before, and can be released again. */
function releaseOwn(lockPath: string): Promise<void> | void {
  const released = held.get(lockPath)?.release()
  held.delete(lockPath)
  return released
}

async function releaseOrRefuse(lockPath: string): Promise<void> {
  if (held.has(lockPath)) return await releaseOwn(lockPath)
  if (removeOrIsNobodys(lockPath)) return
  if (await isHeldBySockets(lockPath)) throw notHeldError(lockPath)
}

function refuseOthersSync(lockPath: string): void {
  if (removeOrIsNobodys(lockPath)) return
  if (isHeldBySocketsSync(lockPath)) throw notHeldError(lockPath)
}

/** Releases a lock that this process doesn't hold: removes a file that lockfile has made. False if it may be a lock of slocket. @throws ENOTACQUIRED. */
function removeOrIsNobodys(lockPath: string): boolean {
  if (heldBefore.has(lockPath)) return true
  const stats = fs.lstatSync(lockPath, { throwIfNoEntry: false })
  if (stats === undefined) return true
  if (!stats.isFile()) return false
  if (!removeForeignFile(lockPath)) throw notHeldError(lockPath)
  return true
}

async function isLocked(lockPath: string, options: CheckOptions): Promise<boolean> {
  return isHeldHere(lockPath) || (isFileLocked(lockPath, options) ?? (await isHeldBySockets(lockPath)))
}

function isHeldHere(lockPath: string): boolean {
  return held.get(lockPath)?.held === true
}

/** True if slocket refuses to look: there may be a lock of a process that slocket doesn't refuse. */
async function isHeldBySockets(lockPath: string): Promise<boolean> {
  return await unlessRefused(
    lockPath,
    () => isLockHeld(localFor(undefined), lockPath),
    async () => true,
  )
}

function isHeldBySocketsSync(lockPath: string): boolean {
  return unlessRefusedSync(
    lockPath,
    () => isLockedSync({ path: lockPath, mkdirStaleMs: undefined }),
    () => true,
  )
}

/** Undefined if it may be a lock of slocket. */
function isFileLocked(lockPath: string, options: CheckOptions): boolean | undefined {
  const stats = fs.lstatSync(lockPath, { throwIfNoEntry: false })
  if (stats === undefined) return false
  if (!stats.isFile()) return undefined
  const age = ageOf(options)
  return age === undefined || !isTooOld(stats, age)
}

function removeIfStale(lockPath: string, options: CheckOptions): void {
  const age = ageOf(options)
  if (age !== undefined) removeStaleFile(lockPath, age)
}

/** Called by a timer. If it fails, the wait goes on. */
function removeQuietly(lockPath: string, options: CheckOptions): void {
  try {
    removeIfStale(lockPath, options)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('%s: %s', lockPath, error)
  }
}

/** Undefined: files have no age. */
function ageOf({ stale }: CheckOptions): Age | undefined {
  const staleMs = Number(stale) || 0
  return staleMs > 0 ? { staleMs, fileTime: exported.filetime === 'mtime' ? 'mtime' : 'ctime' } : undefined
}

function resolvePath(file: unknown): string {
  return path.resolve(parsePath(file))
}

function optionsAndCallback<Asked, Callback = LockCallback>(
  rest: readonly unknown[],
): [options: Asked, callback: Callback] {
  const [options, callback] = rest.length > 1 ? rest : [undefined, rest[0]]
  if (typeof callback !== 'function') throw new TypeError('the last argument must be a function')
  return [(options ?? {}) as Asked, callback as Callback]
}

/** By nextTick: if a callback throws, that is the caller's uncaught exception. */
function settle<T>(promise: Promise<T>, callback: (error: Error | null, result?: T) => void): void {
  promise.then(
    (result) => nextTick(callback, null, result),
    (error: unknown) => nextTick(callback, asSystemError(error) as Error),
  )
}

/** The system's error, if the system refused: programs written for lockfile look for its codes. */
function asSystemError(error: unknown): unknown {
  return isSlocketError(error) && systemCode(error.cause) !== undefined ? error.cause : error
}

/** `filetime` can be set, as in lockfile. */
const exported: Lockfile & { filetime: FileTime } = {
  lock,
  lockSync,
  unlock,
  unlockSync,
  check,
  checkSync,
  filetime: process.platform === 'win32' ? 'mtime' : 'ctime',
}

const lockfile: Lockfile = exported

export default lockfile
