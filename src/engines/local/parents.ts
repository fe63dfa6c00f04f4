/** The option `parents`: makes the directories in which the directory of a lock is to be made. */
import fs from 'node:fs'
import path from 'node:path'
import { localFileSystem } from './platform/file-system.ts'
import { systemCode } from '../../errors.ts'
import { toSlocketError } from './platform/system-error.ts'

/**
 * Makes all that is missing above `directory`, as `mkdir -p` does, with the permissions that the umask leaves. It stays, whatever becomes of the lock.
 *
 * RACE: another process may remove it before the lock's directory is made in it. Then the request fails with ERR_SLOCKET_NO_PARENT.
 *
 * @param directory that of a lock; absolute.
 * @throws ERR_SLOCKET_NETWORK_FILE_SYSTEM, before anything is made; what a system error means.
 */
export function makeParents(directory: string): void {
  const parent = path.dirname(directory)
  if (fs.existsSync(parent)) return
  if (process.platform !== 'win32') localFileSystem(nearestAbove(parent))
  try {
    makeMissing(parent)
  } catch (error) {
    throw toSlocketError(error, 'make the parent directory of', directory)
  }
}

/**
 * Makes `directory`, and what is missing above it. It tries each directory twice at most: Node's `mkdirSync` with `recursive` retries forever, and blocks the
 * thread, if `mkdir` says ENOENT though the directory above is there, as in `/proc` or below a working directory that was removed.
 *
 * @throws the system's error.
 */
function makeMissing(directory: string): void {
  const above = path.dirname(directory)
  try {
    makeUnlessThere(directory)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || fs.existsSync(above)) throw error
    makeMissing(above)
    makeUnlessThere(directory)
  }
}

/** @throws the system's error, unless something has that name: another process may have made the directory. */
function makeUnlessThere(directory: string): void {
  try {
    fs.mkdirSync(directory)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

/** The nearest directory above that is there. */
function nearestAbove(directory: string): string {
  let above = path.dirname(directory)
  // Bound: the root is there, and has no directory above it.
  while (!fs.existsSync(above) && above !== path.dirname(above)) above = path.dirname(above)
  return above
}
