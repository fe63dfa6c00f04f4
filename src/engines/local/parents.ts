/** The option `parents`: creates the directories above the directory of a lock. */
import fs from 'node:fs'
import path from 'node:path'
import { localFileSystem } from './platform/file-system.ts'
import { systemCode } from '../../errors.ts'
import { toSlocketError } from './platform/system-error.ts'
import { refuseOnWindows } from './windows/index.ts'

/**
 * Creates the missing directories above `directory`, as `mkdir -p` does, with the permissions that the umask allows. The directories stay, whatever happens to the lock.
 *
 * RACE: another process may remove it before the lock's directory is made in it. Then the request fails with ERR_SLOCKET_NO_PARENT.
 *
 * @param directory the directory of a lock; absolute.
 * @throws ERR_SLOCKET_NETWORK_FILE_SYSTEM, and on Windows a TypeError, before anything is created; what a system error means.
 */
export function makeParents(directory: string): void {
  const parent = path.dirname(directory)
  if (fs.existsSync(parent)) return
  if (process.platform === 'win32') refuseOnWindows(directory, nearestAbove(parent))
  else localFileSystem(nearestAbove(parent))
  try {
    makeMissing(parent)
  } catch (error) {
    throw toSlocketError(error, 'make the parent directory of', directory)
  }
}

/**
 * Creates `directory`, and the missing directories above it. It tries each directory at most twice: Node's `mkdirSync` with `recursive` retries forever, and blocks the
 * thread, if `mkdir` fails with ENOENT although the directory above exists, as in `/proc` or below a working directory that was removed.
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

/** @throws the system's error, unless something has that name: another process may have created the directory. */
function makeUnlessThere(directory: string): void {
  try {
    fs.mkdirSync(directory)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

/** Returns the nearest directory above that exists. */
function nearestAbove(directory: string): string {
  let above = path.dirname(directory)
  // Bound: the root exists, and has no directory above it.
  while (!fs.existsSync(above) && above !== path.dirname(above)) above = path.dirname(above)
  return above
}
