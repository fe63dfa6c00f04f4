/**
 * Files that one process keeps open, and that the kernel opens for no other process meanwhile: on Windows they show that their owner
 * lives, and they exclude.
 *
 *  1. While a file is open without a share mode, every other open for reading, writing or deleting it fails with EBUSY.
 *  2. The kernel closes the files of a process that ends, however it ends. A file that was opened to be deleted on close goes with its handle.
 *  3. EBUSY proves that the file is open somewhere, and nothing more: a virus scanner may have it open for a moment.
 *
 * `fs.open` hands its flags to libuv, which knows these two though `fs.constants` doesn't name them: UV_FS_O_EXLOCK (share mode 0) and
 * UV_FS_O_TEMPORARY (FILE_FLAG_DELETE_ON_CLOSE), in libuv's src/win/fs.c. See CreateFileW in Microsoft's documentation.
 */
import fs from 'node:fs'
import { debug } from '../../../debug.ts'
import { systemCode } from '../../../errors.ts'
import { isGone } from '../platform/system-error.ts'

const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants
const NO_SHARING = 0x10000000
const DELETE_ON_CLOSE = 0x40

/** How a file is opened. */
export const OPEN: Readonly<Record<'ticket' | 'alone' | 'aloneIfThere' | 'together' | 'remove', number>> = {
  /** A new file, without sharing, that is deleted on close. */
  ticket: O_RDWR | O_CREAT | O_EXCL | NO_SHARING | DELETE_ON_CLOSE,
  /** Without sharing. Makes the file if it is missing. */
  alone: O_RDWR | O_CREAT | NO_SHARING,
  /** Without sharing. */
  aloneIfThere: O_RDWR | NO_SHARING,
  /** Together with others that open it in this way. Makes the file if it is missing. */
  together: O_RDONLY | O_CREAT,
  /** Without sharing, and deletes the file on close. */
  remove: O_RDWR | NO_SHARING | DELETE_ON_CLOSE,
}

/**
 * What an open of somebody's ticket has shown.
 *
 * | found | meaning |
 * | --- | --- |
 * | `open` | a process has it open, or this user may not open it |
 * | `closed` | nobody has it open: it is about to vanish, or was left when the machine lost its power |
 * | `vanishing` | its owner has closed it, but another program, such as a virus scanner, still has a handle |
 * | `gone` | no such name |
 */
export type Found = 'open' | 'closed' | 'vanishing' | 'gone'

/** Looks whether a process has a file open without sharing. @throws the system's error if that can't be seen. */
export function probe(file: string): Found {
  try {
    fs.closeSync(fs.openSync(file, O_RDONLY))
    return 'closed'
  } catch (error) {
    if (systemCode(error) === 'EBUSY') return 'open'
    if (isGone(error)) return 'gone'
    if (!isDenied(error)) throw error
    return foundDenied(file)
  }
}

/** A file that is to be deleted can't be looked at. A file that this user may not open can, if the user may list its directory. */
function foundDenied(file: string): Found {
  try {
    return fs.lstatSync(file, { throwIfNoEntry: false }) === undefined ? 'gone' : 'open'
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return 'vanishing'
  }
}

/** ERROR_ACCESS_DENIED: this user has no right to do that, or the file or directory is about to be deleted. The two have the same code. */
export function isDenied(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'EPERM' || code === 'EACCES'
}

/** It is closed already only if the program has closed descriptors that aren't its own. */
export function closeQuietly(descriptor: number): void {
  try {
    fs.closeSync(descriptor)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('descriptor %d cannot be closed: %s', descriptor, error)
  }
}
