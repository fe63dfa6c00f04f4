/**
 * Who can use a lock: the permissions of its directories, and of the sockets in them, whatever the umask is.
 *
 *  1. The option `access` determines the permissions of the lock's directory. Everything that slocket makes in a directory follows that directory.
 *  2. Permissions are only added, and only to what this user owns and slocket has made.
 *  3. They are added through an open descriptor, so that nothing else is changed that somebody has put in its place.
 *
 * Permissions are set by chmod(2) afterwards, never by process.umask(), which changes the umask of the whole process and doesn't work in a worker thread.
 */
import fs from 'node:fs'
import type { LockAccess } from '../../../requests/lock-access.ts'
import { SlocketError, systemCode } from '../../../errors.ts'
import type { OpenDirectory } from './open-directory.ts'

/** The minimum mode of a lock's directory for each access. Sticky: users can't remove each other's tickets. */
const MODES: Readonly<Record<LockAccess, number>> = {
  user: 0o1700,
  // Set-group-ID: what is made in it belongs to its group (inode(7)).
  group: 0o3770,
  // Set-user-ID means nothing on a directory (GNU coreutils, "Directory Setuid and Setgid"): here, that slocket made it.
  all: 0o5777,
}
export const DEFAULT_MODE = 0o1775
const STICKY = 0o1000
const MADE_FOR_ALL = 0o4000
const SET_IDS = 0o6000
const PERMISSIONS = 0o7777
const WRITABLE_BY_OTHERS = 0o022
const WRITABLE_BY_ALL = 0o002
const GROUP_AND_OTHERS = 0o077

/** From asm-generic/fcntl.h; not among Node's constants. */
const O_PATH = 0o10000000

/** The mode to make a lock's directory with. Narrower than its final mode, so that no other user gets in early. */
export function firstMode(access: LockAccess | undefined): number {
  return access === undefined ? DEFAULT_MODE : MODES[access] & DEFAULT_MODE
}

/** Whether slocket made the directory, as far as its mode shows: see decision 0002. */
export function isMadeHere(mode: number): boolean {
  return isSticky(mode) && ((mode & WRITABLE_BY_ALL) === 0 || (mode & MADE_FOR_ALL) !== 0)
}

export function isSticky(mode: number): boolean {
  return (mode & STICKY) !== 0
}

/** Whether users besides the owner may make tickets in a directory of this mode. */
export function isShared(mode: number): boolean {
  return (mode & WRITABLE_BY_OTHERS) !== 0
}

/**
 * Adds what the directory of a lock lacks for `access`.
 *
 * @param refuseOthers throws if anything is in it that doesn't belong to a lock.
 * @throws ERR_SLOCKET_PERMISSION if it lacks something, and isn't this user's to change.
 */
export function widen(directory: OpenDirectory, path: string, access: LockAccess, refuseOthers: () => void): void {
  const stats = fs.fstatSync(directory.descriptor)
  if ((MODES[access] & GROUP_AND_OTHERS & ~stats.mode) === 0) return
  if (!isOwnAndMadeHere(stats)) throw tooNarrow(path, access, stats)
  refuseOthers()
  changeMode(directory, stats.mode | MODES[access])
}

/** Adds the permissions that a directory made by slocket inside another one lacks for the users of the outer one. */
export function follow(inner: OpenDirectory, outer: number): void {
  const stats = fs.fstatSync(inner.descriptor)
  if ((outer & WRITABLE_BY_OTHERS & ~stats.mode) === 0 || !isOwnAndMadeHere(stats)) return
  const mark = (outer & WRITABLE_BY_ALL) === 0 ? 0 : MADE_FOR_ALL
  changeMode(inner, stats.mode | (outer & (GROUP_AND_OTHERS | SET_IDS)) | mark)
}

/**
 * Lets all users that can make sockets in the directory `members` connect to the socket `name` there, which this process has just made.
 * Connecting needs write permission for the socket (unix(7)).
 *
 * If there is no /proc, sockets have the permissions that the umask leaves them.
 */
export function shareSocket(members: OpenDirectory, name: string): void {
  const outer = fs.fstatSync(members.descriptor)
  if (!isShared(outer.mode) || !members.isPinned) return
  // By a descriptor of the socket itself: the directory's owner may exchange its name.
  const descriptor = fs.openSync(`${members.path}/${name}`, O_PATH | fs.constants.O_NOFOLLOW)
  try {
    const stats = fs.fstatSync(descriptor)
    // One link: no socket of another program that somebody has linked here.
    if (!stats.isSocket() || !isOwn(stats) || stats.nlink !== 1) return
    const missing = outer.mode & WRITABLE_BY_OTHERS & ~stats.mode
    const isOfOtherGroup = stats.gid !== outer.gid && (outer.mode & WRITABLE_BY_ALL) === 0
    if (isOfOtherGroup && !giveToGroup(descriptor, outer.gid)) return
    if (missing !== 0) fs.chmodSync(`/proc/self/fd/${descriptor}`, (stats.mode & PERMISSIONS) | missing)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** The error if this user can't use a lock that several users share. @param stats of the lock's directory. */
export function tooNarrow(path: string, access: LockAccess, { uid, mode }: fs.Stats): SlocketError {
  const wide = (MODES[access] & ~MADE_FOR_ALL).toString(8)
  return new SlocketError(
    'ERR_SLOCKET_PERMISSION',
    `cannot use the lock '${path}' with access '${access}': its directory, or '.members' in it, was made without that access ` +
      `(it belongs to the user with id ${uid}, mode ${(mode & PERMISSIONS).toString(8)}). Have its owner remove it while nobody uses the lock, or run ` +
      `chmod ${wide} '${path}' '${path}/.members'; and use the lock with the same access everywhere`,
  )
}

function isOwn({ uid }: fs.Stats): boolean {
  return uid === process.geteuid?.()
}

function isOwnAndMadeHere(stats: fs.Stats): boolean {
  return isOwn(stats) && isMadeHere(stats.mode)
}

function changeMode({ descriptor }: OpenDirectory, mode: number): void {
  try {
    fs.fchmodSync(descriptor, mode & PERMISSIONS)
  } catch (error) {
    // A sandbox may refuse these bits (RestrictSUIDSGID of systemd.exec(5)). Without them the lock works, and may stay when it is empty.
    if (systemCode(error) !== 'EPERM') throw error
    fs.fchmodSync(descriptor, mode & PERMISSIONS & ~SET_IDS)
  }
}

/** False if this user isn't in that group: then its permissions aren't for that group either. */
function giveToGroup(descriptor: number, gid: number): boolean {
  try {
    fs.chownSync(`/proc/self/fd/${descriptor}`, -1, gid)
    return true
  } catch (error) {
    if (systemCode(error) !== 'EPERM') throw error
    return false
  }
}
