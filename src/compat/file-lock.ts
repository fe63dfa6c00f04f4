/**
 * Lock files as lockfile makes them: a regular file that only one process can create. Used if slocket refuses to make locks, and to remove the stale
 * files that lockfile has left.
 *
 *  1. Only `link`, or `open` with O_EXCL, makes a lock, so one process has it. Its text says which: a lock that another process has made here is removed
 *     only if it is stale. A file that can't be read may be such a lock.
 *  2. A stale file is removed under a second one, `LOCK.STALE`, as lockfile does. So of several processes that find it stale, none removes a new lock.
 *  3. Only regular files are removed: a lock of slocket, which is a directory, has no age.
 */
import fs from 'node:fs'
import { debug } from '../debug.ts'
import { systemCode } from '../errors.ts'
import { wallNowMs } from '../real-time.ts'

/** The time of a file from which its age is counted. */
export type FileTime = 'ctime' | 'mtime'

/** A file counts as abandoned if it is older. */
export interface Age {
  readonly staleMs: number
  readonly fileTime: FileTime
}

/** What lstat(2) says of a file, which needs no descriptor. */
type Identity = Pick<fs.BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>

const MARK = 'slocket/lockfile'

/** Held by this process (or worker thread), to be removed at its exit. */
const all = new Set<FileLock>()
let count = 0

/** A lock that is held. */
class FileLock {
  readonly #path: string
  readonly #text: string
  readonly #identity: Identity

  constructor(path: string, text: string, identity: Identity) {
    this.#path = path
    this.#text = text
    this.#identity = identity
    if (all.size === 0) process.on('exit', removeAll)
    all.add(this)
  }

  /** False if it was removed, or if it became stale and is another process's by now. @throws the errors of the system, if that can't be found out. */
  get held(): boolean {
    return isStill(this.#path, this.#text, this.#identity)
  }

  /** Removes the file, if it is held. @throws the errors of the system; it can be released again then. */
  release(): void {
    if (this.held) removeFile(this.#path)
    all.delete(this)
    if (all.size === 0) process.off('exit', removeAll)
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
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) return undefined
  const identity = linkFile(path, text) ?? openFile(path, text)
  return identity && new FileLock(path, text, identity)
}

/** Removes a file that lockfile itself has made. False if it stays: this module has made it, or it can't be read, and its holder may live. */
export function removeForeignFile(path: string): boolean {
  let text: string | undefined
  try {
    text = textOf(path)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('%s: left alone, since it cannot be read: %s', path, error)
    return false
  }
  if (text?.startsWith(MARK) === true) return false
  if (text !== undefined) removeFile(path)
  return true
}

/** Removes the file at the path, if it is stale. */
export function removeStaleFile(path: string, age: Age): void {
  if (!isStaleFile(path, age)) return
  const guard = `${path}.STALE`
  if (openFile(guard, '') === undefined) {
    // A process was killed in the middle of this. The next try continues.
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

/** Removes an entry that isn't a directory. */
function removeFile(path: string): void {
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

/**
 * Makes the file together with its text. Otherwise, a process that is stopped before it writes would have an empty file, as lockfile makes them, which any
 * process may remove by `unlock`. Undefined if something is there, or the file system has no links.
 */
function linkFile(path: string, text: string): Identity | undefined {
  const other = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`
  let isMade = false
  try {
    const identity = openFile(other, text)
    if (identity === undefined) return undefined
    isMade = true
    return isLinked(other, path) ? identity : undefined
  } catch (error) {
    // `open` at its path gives the error that lockfile would give.
    if (systemCode(error) === undefined) throw error
    debug('%s: %s', path, error)
    return undefined
  } finally {
    if (isMade) removeQuietly(other)
  }
}

function isLinked(other: string, path: string): boolean {
  try {
    fs.linkSync(other, path)
    return true
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    // NFS may lose the answer: open(2), at O_EXCL.
    return fs.lstatSync(other).nlink === 2
  }
}

/** Makes the file. Undefined if something is there, or the file was replaced before its text was in it. @throws the errors of the system. */
function openFile(path: string, text: string): Identity | undefined {
  let descriptor: number | undefined
  try {
    descriptor = fs.openSync(path, 'wx')
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return undefined
  }
  try {
    fs.writeFileSync(descriptor, text)
    const identity = fs.fstatSync(descriptor, { bigint: true })
    const written = descriptor
    descriptor = undefined
    // On NFS, this says that there is no space.
    fs.closeSync(written)
    // RACE: by `unlock`, another process has removed it while it was empty.
    return isStill(path, text, identity) ? identity : undefined
  } catch (error) {
    // No process would hold it.
    removeFile(path)
    throw error
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

/** @throws the errors of the system, if that can't be found out. */
function isStill(path: string, text: string, identity: Identity): boolean {
  try {
    return textOf(path) === text
  } catch (error) {
    // No descriptor is left, for example. Not every file system keeps these numbers unchanged, so only equal numbers prove anything.
    if (systemCode(error) !== undefined && isFile(path, identity)) return true
    throw error
  }
}

function isFile(path: string, { dev, ino, size, mtimeNs }: Identity): boolean {
  const found = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return found?.dev === dev && found.ino === ino && found.size === size && found.mtimeNs === mtimeNs
}

function removeQuietly(path: string): void {
  try {
    removeFile(path)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('%s stays: %s', path, error)
  }
}

/** Undefined if no file is there. @throws the errors of the system. */
function textOf(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) throw error
    return undefined
  }
}
