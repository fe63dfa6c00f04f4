/**
 * Lock files as lockfile makes them: a regular file that only one process can create. Used where slocket refuses to make locks, and to remove the stale
 * files that lockfile has left.
 *
 *  1. Only `open` with O_EXCL makes a lock, so one process has it. What is in it says which: nobody removes what another process has made here, except
 *     as stale.
 *  2. A stale file is removed under a second one, `LOCK.STALE`, as lockfile does. So of several processes that find it stale, none removes a new lock.
 *  3. Only regular files are removed: a lock of slocket, which is a directory, has no age.
 */
import fs from 'node:fs'
import { debug } from '../debug.ts'
import { systemCode } from '../errors.ts'
import { wallNowMs } from '../real-time.ts'

/** The time of a file that its age is counted from. */
export type FileTime = 'ctime' | 'mtime'

/** A file counts as abandoned if it is older. */
export interface Age {
  readonly staleMs: number
  readonly fileTime: FileTime
}

const MARK = 'slocket/lockfile'

/** Held by this process (or worker thread), to be removed at its exit. */
const all = new Set<FileLock>()
let count = 0

/** A lock that is held. */
class FileLock {
  readonly #path: string
  readonly #text: string

  constructor(path: string, text: string) {
    this.#path = path
    this.#text = text
    if (all.size === 0) process.on('exit', removeAll)
    all.add(this)
  }

  /** False if it was removed, or if it went stale and is another process's by now. */
  get held(): boolean {
    return textOf(this.#path) === this.#text
  }

  /** Removes the file, if it is held. @throws the errors of the system. */
  release(): void {
    all.delete(this)
    if (all.size === 0) process.off('exit', removeAll)
    if (this.held) removeFile(this.#path)
  }
}

function removeAll(): void {
  for (const lock of all) {
    try {
      lock.release()
    } catch (error) {
      debug('a lock stays at exit: %s', error)
    }
  }
}

/** Makes the lock. Undefined if something is there. @throws the errors of the system. */
export function makeFileLock(path: string): FileLock | undefined {
  count += 1
  const text = `${MARK} ${process.pid} ${wallNowMs()} ${count} ${Math.random()}\n`
  return makeFile(path, text) ? new FileLock(path, text) : undefined
}

/** Whether a process has made the file by this module, and not by lockfile itself. */
export function isMadeHere(path: string): boolean {
  return textOf(path)?.startsWith(MARK) === true
}

/** Removes the file at the path, if it is stale. */
export function removeStaleFile(path: string, age: Age): void {
  if (!isStaleFile(path, age)) return
  const guard = `${path}.STALE`
  if (!makeFile(guard, '')) {
    // A process was killed in the middle of this. The next try goes on.
    if (isStaleFile(guard, age)) removeFile(guard)
    return
  }
  try {
    // RACE: another process has removed it, and made its own lock, since it was found stale.
    if (!isStaleFile(path, age)) return
    debug('%s: a stale lock file, removed', path)
    removeFile(path)
  } finally {
    removeFile(guard)
  }
}

/** Whether it is too old, by the rule of lockfile. */
export function isTooOld(stats: fs.Stats, { staleMs, fileTime }: Age): boolean {
  return wallNowMs() - stats[`${fileTime}Ms`] > staleMs
}

/** Removes what isn't a directory. */
export function removeFile(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    // EISDIR, or EPERM on other systems than Linux: a lock of slocket has taken its place.
    if (!['ENOENT', 'EISDIR', 'EPERM'].includes(systemCode(error) ?? '')) throw error
  }
}

function isStaleFile(path: string, age: Age): boolean {
  const stats = fs.lstatSync(path, { throwIfNoEntry: false })
  return stats?.isFile() === true && isTooOld(stats, age)
}

/** False if something is there. */
function makeFile(path: string, text: string): boolean {
  let descriptor: number
  try {
    descriptor = fs.openSync(path, 'wx')
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  }
  try {
    fs.writeSync(descriptor, text)
    return true
  } catch (error) {
    // No space: nobody would hold it.
    removeFile(path)
    throw error
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Undefined if it can't be read. */
function textOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}
