/**
 * What proper-lockfile does in the file system, step by step: a lock is an empty directory, whose modification time shows that its holder is alive. Each
 * function here is run by {@link run} or {@link runSync}, with the `fs` of the caller.
 *
 *  1. Only mkdir makes a lock, so one process has it. Only rmdir removes one: a directory with anything in it, such as a lock of slocket, stays.
 *  2. A stale lock is replaced under a second directory, `LOCK.takeover`. So of several processes that find it stale, none removes the new lock of another.
 *  3. Its time is a value that the file system keeps unchanged: in steps of 10 ms (exFAT), or of two seconds (FAT). A time that is cut later would look like
 *     another holder's.
 *  4. If it has a different time from what its holder has set, it is another holder's.
 */
import nodeFs from 'node:fs'
import type { Stats } from 'node:fs'
import { debug } from '../debug.ts'
import { systemCode } from '../errors.ts'
import { wallNowMs } from '../real-time.ts'

/** A call of `fs`. */
type Step =
  | readonly [name: 'mkdir' | 'rmdir' | 'stat', path: string]
  | readonly [name: 'utimes', path: string, atime: Date, mtime: Date]
export type Steps<T> = Generator<Step, T, unknown>

type Callback = (error: Error | null, result?: unknown) => void
type Calls = Readonly<Record<string, (...parameters: unknown[]) => unknown>>

/** The socket directory of a lock of slocket. */
const MEMBERS = '.members'
const STEP_MS = 10
/** The step of file systems that keep no shorter one, in ms. */
export const LONG_STEP_MS = 2000
/** An answer of the file system that took longer may be out of date, in ms: the event loop was blocked, or the process stopped. */
const LATE_MS = 1000
/** How often a late answer is asked for again. */
const MOST_LOOKS = 3
/** Codes of a directory that isn't this user's to remove. */
const NOT_OURS: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EBUSY', 'EROFS'])

/** Runs the steps by the functions of `fs` (default: Node's) that take a callback. */
export async function run<T>(steps: Steps<T>, fs: unknown): Promise<T> {
  let next = steps.next()
  while (next.done !== true) {
    let result: unknown
    try {
      result = await call((fs ?? nodeFs) as Calls, next.value)
    } catch (error) {
      next = steps.throw(error)
      continue
    }
    next = steps.next(result)
  }
  return next.value
}

/** Runs the steps by the functions of `fs` (default: Node's) that block. */
export function runSync<T>(steps: Steps<T>, fs: unknown): T {
  let next = steps.next()
  while (next.done !== true) {
    const [name, ...parameters] = next.value
    let result: unknown
    try {
      result = ((fs ?? nodeFs) as Calls)[`${name}Sync`]!(...parameters)
    } catch (error) {
      next = steps.throw(error)
      continue
    }
    next = steps.next(result)
  }
  return next.value
}

function call(fs: Calls, [name, ...parameters]: Step): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const done: Callback = (error, result) => (error ? reject(error) : resolve(result))
    fs[name]!(...parameters, done)
  })
}

/** Tries once. Returns the time of the lock, in ms; undefined if another process holds it. @throws the errors of the system. */
export function* acquire(path: string, staleMs: number): Steps<number | undefined> {
  const mtimeMs = yield* makeLock(path, staleMs)
  if (mtimeMs !== undefined) return mtimeMs
  const found = yield* look(path)
  // RACE: it was released between the two steps.
  if (found === undefined) return yield* makeLock(path, staleMs)
  // A lock of slocket has no age. This process can't find out whether its holder is alive: slocket refuses.
  if (!isStale(found, staleMs) || (yield* isOfSlocket(path))) return undefined
  return yield* takeOver(path, staleMs)
}

/** Sets a new time, which shows that the holder is alive, and returns the time that the file system has kept. */
export function* renew(path: string): Steps<number> {
  const { asked, kept } = yield* setTime(path, STEP_MS)
  return asked === kept ? kept : (yield* setTime(path, LONG_STEP_MS)).kept
}

/**
 * The time of the lock, in ms; undefined if nothing is there.
 *
 * RACE: the holder asks for the time, and its event loop is blocked until the lock is stale; a waiter takes the lock over; the holder gets the old answer. So
 * a stale time counts only if it arrives soon.
 */
export function* timeOf(path: string, staleMs: number): Steps<number | undefined> {
  for (let looks = 1; ; looks += 1) {
    const startMs = wallNowMs()
    const found = yield* look(path)
    if (found === undefined) return undefined
    if (!isStale(found, staleMs) || !isOver(startMs, LATE_MS) || looks === MOST_LOOKS) return timeBy(found)
  }
}

/** Removes the lock. Returns false if it has a different time from what its holder has set, and stays. @throws ENOTEMPTY; the errors of the system. */
export function* release(path: string, staleMs: number, isOwn: (mtimeMs: number) => boolean): Steps<boolean> {
  const mtimeMs = yield* timeOf(path, staleMs)
  if (mtimeMs === undefined) return true
  if (!isOwn(mtimeMs)) return false
  yield* removeDirectory(path)
  return true
}

/** Whether the lock is held. */
export function* isHeld(path: string, staleMs: number): Steps<boolean> {
  const found = yield* look(path)
  if (found === undefined) return false
  return !isStale(found, staleMs) || (yield* isOfSlocket(path))
}

/** Rounds up, so that no process finds the lock stale too early. */
function* setTime(path: string, stepMs: number): Steps<{ asked: number; kept: number }> {
  const time = new Date(Math.ceil(wallNowMs() / stepMs) * stepMs)
  yield ['utimes', path, time, time]
  return { asked: time.getTime(), kept: timeBy((yield ['stat', path]) as Stats) }
}

/** The system gets seconds as a floating-point number, and may keep a little less than the exact millisecond. */
function timeBy({ mtimeMs }: Stats): number {
  return Math.round(mtimeMs)
}

/** @returns as {@link acquire}. */
function* takeOver(path: string, staleMs: number): Steps<number | undefined> {
  const guard = `${path}.takeover`
  const startMs = wallNowMs()
  if (!(yield* make(guard))) {
    const left = yield* look(guard)
    // A process was killed in the middle of this. The next try continues.
    if (left !== undefined && isStale(left, staleMs)) yield* removeDirectory(guard)
    return undefined
  }
  try {
    yield* renew(guard)
    // RACE: another process has replaced it, or renewed it, since it was found stale.
    const found = yield* look(path)
    if (found !== undefined && !isStale(found, staleMs)) return undefined
    // RACE: this process was stopped until its guard was stale; others have removed the guard, and replaced the lock since.
    if (isOver(startMs, staleMs / 2)) return undefined
    if (found !== undefined && !(yield* removeStale(path))) return undefined
    return yield* makeLock(path, staleMs)
  } finally {
    // RACE: as above, and another process has a guard of its own there. This process's guard becomes stale.
    if (!isOver(startMs, staleMs)) yield* removeQuietly(guard)
  }
}

/** False if it stays, since it isn't ours to remove: a lock of slocket, or another user's. @throws ENOTEMPTY for other content. */
function* removeStale(path: string): Steps<boolean> {
  try {
    yield* removeDirectory(path)
    return true
  } catch (error) {
    if (NOT_OURS.has(systemCode(error) ?? '') || (yield* isOfSlocket(path))) return false
    throw error
  }
}

/** True also if the directory can't be looked into. */
function* isOfSlocket(path: string): Steps<boolean> {
  try {
    yield ['stat', `${path}/${MEMBERS}`]
    return true
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    return code !== 'ENOENT' && code !== 'ENOTDIR'
  }
}

/**
 * Makes the lock, with a time of its own. Undefined if something is there.
 *
 * RACE: this process makes the directory, and is stopped until that is stale; another process takes it over; this process would set its own time on the
 * other's lock. So a lock whose making took longer than `staleMs` counts as not made, and the directory is left alone.
 */
function* makeLock(path: string, staleMs: number): Steps<number | undefined> {
  const startMs = wallNowMs()
  if (!(yield* make(path)) || isOver(startMs, staleMs)) return undefined
  try {
    const mtimeMs = yield* renew(path)
    return isOver(startMs, staleMs) ? undefined : mtimeMs
  } catch (error) {
    if (!isOver(startMs, staleMs)) yield* removeQuietly(path)
    else if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** False if something is there. */
function* make(path: string): Steps<boolean> {
  try {
    yield ['mkdir', path]
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  }
}

function* look(path: string): Steps<Stats | undefined> {
  try {
    return (yield ['stat', path]) as Stats
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    return undefined
  }
}

function* removeDirectory(path: string): Steps<void> {
  try {
    yield ['rmdir', path]
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

/** If it stays, it becomes stale. */
function* removeQuietly(path: string): Steps<void> {
  try {
    yield* removeDirectory(path)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('%s stays: %s', path, error)
  }
}

function isStale({ mtimeMs }: Stats, staleMs: number): boolean {
  return mtimeMs < wallNowMs() - staleMs
}

/** By the wall clock: other processes use it, too, and it goes on while the machine sleeps. */
function isOver(startMs: number, ms: number): boolean {
  return wallNowMs() - startMs > ms
}
