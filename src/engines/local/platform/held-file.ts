/**
 * Files that show that their owner is alive, on macOS and the BSDs: the owner opened them with an exclusive lock, and the kernel drops the lock when
 * the owner ends.
 *
 *  1. An open with O_EXLOCK takes a lock as flock(2) does. It belongs to the open file, whichever of its hard links it was opened by, and lasts
 *     until the last descriptor of that open file is closed.
 *  2. A process that looks opens the file with O_SHLOCK: refused (EAGAIN) while the owner lives. Looks don't refuse each other, however long one takes.
 *  3. A file that isn't locked belongs to a dead owner, or to an owner that is about to lock it, before its first ticket. (XNU and FreeBSD create the
 *     file first, and lock it then.)
 *  4. An owner removes a ticket before it closes the file. So a file that could be locked, and still has the ticket's name after that, is dead.
 *
 * `fs.open` hands its flags to open(2) as they are. Two of them have no name in `fs.constants`: O_SHLOCK and O_EXLOCK of <fcntl.h>, the same on
 * macOS, FreeBSD, NetBSD and OpenBSD.
 */
import fs from 'node:fs'
import { SlocketError, systemCode } from '../../../errors.ts'
import type { OpenDirectory } from './open-directory.ts'
import { isGone, NO_LINKS, toSlocketError } from './system-error.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants
const O_SHLOCK = 0x10
const O_EXLOCK = 0x20
/** A look needs read permission. A user that has it can lock the file, and a dead ticket would pass for alive: so only users that can join have it. */
const MODE = 0o600
const WRITABLE_BY_OTHERS = 0o022

/** A file that this process holds. */
export interface HeldFile {
  /** Open until the file is closed. A process that inherits it holds the file as well. */
  readonly descriptor: number
  /** Does nothing the second time. */
  close(): void
}

/** What a look at a held file shows: its owner lives; its owner is dead; there is no such name. */
export type Found = 'alive' | 'dead' | 'gone'

/** Codes that say that a file with this name is no longer there, or was replaced by a link: ELOOP, on FreeBSD EMLINK. */
const NOT_THERE: ReadonlySet<string> = new Set(['ELOOP', 'EMLINK'])

/**
 * Makes the file `name` in the directory `members`, and holds it. All users that can make files there can look at it, whatever the umask is, and no others.
 *
 * Tries first whether a second name of the file shows that it is held: a file system, or a runtime, that ignored the lock would let two hold.
 *
 * @throws the system's error, EAGAIN if somebody else looked at the file before it was locked; ERR_SLOCKET_NO_SOCKETS. Then no file is left.
 */
export function holdFile(members: OpenDirectory, name: string): HeldFile {
  const path = `${members.path}/${name}`
  let descriptor: number | undefined
  try {
    descriptor = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_EXLOCK, MODE)
    const { mode } = fs.fstatSync(members.descriptor)
    fs.fchmodSync(descriptor, MODE | ((mode & WRITABLE_BY_OTHERS) << 1))
    tryOtherName(path)
  } catch (error) {
    // An open that fails to lock the file may have made it: EAGAIN, or ENOTSUP of a file system without locks.
    if (descriptor !== undefined || systemCode(error) !== 'EEXIST') removeQuietly(path)
    if (descriptor !== undefined) fs.closeSync(descriptor)
    throw error
  }
  let isOpen = true
  const close = (): void => {
    if (isOpen) fs.closeSync(descriptor)
    isOpen = false
  }
  return { descriptor, close }
}

/** @throws ERR_SLOCKET_PERMISSION if this user may not read the file; ERR_SLOCKET_RESOURCES; what another system error means. */
export function lookAtFile(path: string): Found {
  let descriptor: number
  try {
    descriptor = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_SHLOCK)
  } catch (error) {
    const code = systemCode(error) ?? ''
    if (code === 'EAGAIN') return 'alive'
    if (isGone(error) || NOT_THERE.has(code)) return 'gone'
    throw toSlocketError(error, 'look at a ticket', path)
  }
  try {
    // RACE: its owner removed it, and closed it, between the two halves of the open: that ticket was released.
    return fs.lstatSync(path, { throwIfNoEntry: false }) === undefined ? 'gone' : 'dead'
  } catch (error) {
    if (isGone(error)) return 'gone'
    throw toSlocketError(error, 'look at a ticket', path)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** A process that is killed in the middle leaves a second name, which is removed like a dead member's file. */
function tryOtherName(path: string): void {
  const other = `${path}.0`
  let found: Found | undefined
  try {
    fs.linkSync(path, other)
    found = lookAtFile(other)
  } catch (error) {
    if (!NO_LINKS.has(systemCode(error) ?? '')) throw error
  } finally {
    removeQuietly(other)
  }
  if (found === 'alive') return
  // RACE: a process that removes dead members may have looked before the lock was there.
  if (found === 'gone') throw Object.assign(new Error(`'${other}' was removed`), { code: 'ENOENT' })
  throw new SlocketError(
    'ERR_SLOCKET_NO_SOCKETS',
    `'${path}' doesn't show that it is held: its file system has no hard links, or no locks of files; use a directory on another one`,
  )
}

function removeQuietly(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
}
