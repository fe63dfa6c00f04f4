/**
 * Another tool's lock that is an empty directory, made by `mkdir` and kept fresh by its modification time: the lock of
 * proper-lockfile. Only used if such a tool may use the same path (src/compat/).
 *
 *  1. A directory made by slocket carries the sticky bit from its first moment on, and a queue is never empty. So neither is taken for a mkdir lock.
 *  2. A stale lock is not removed, since that could hit a new lock at the same path. The directory that was judged becomes a queue directory, through
 *     its descriptor. From then on, its maker cannot remove it (ENOTEMPTY), and notices that it was touched.
 */
import fs from 'node:fs'
import { systemCode } from '../../../errors.ts'
import { wallNowMs } from '../../../real-time.ts'

const STICKY = 0o1000
const WRITABLE_BY_ALL = 0o002
const PERMISSIONS = 0o7777

/** Whether the directory at `path` is a mkdir lock that may be held. False if it is gone. */
export function isMkdirLock(path: string, staleMs: number): boolean {
  try {
    const stats = fs.statSync(path)
    return isEmptyAndNotOurs(path, stats) && isFresh(stats, staleMs)
  } catch (error) {
    // If the look fails, the request that joins will get the same error, and report it.
    if (systemCode(error) === undefined) throw error
    return false
  }
}

/** Turns a stale mkdir lock into a directory that counts as made here. Returns false for a lock that may be held. */
export function takeOver(openDirectory: string, staleMs: number): boolean {
  const stats = fs.statSync(openDirectory)
  if (!isEmptyAndNotOurs(openDirectory, stats)) return true
  if (isFresh(stats, staleMs)) return false
  fs.chmodSync(openDirectory, (stats.mode & PERMISSIONS & ~WRITABLE_BY_ALL) | STICKY)
  return true
}

function isEmptyAndNotOurs(path: string, stats: fs.Stats): boolean {
  return (stats.mode & STICKY) === 0 && fs.readdirSync(path).length === 0
}

function isFresh(stats: fs.Stats, staleMs: number): boolean {
  return stats.mtimeMs >= wallNowMs() - staleMs
}
