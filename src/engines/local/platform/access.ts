/**
 * Who can use a lock: the permissions of its directories, and of the sockets in them, whatever the umask is.
 *
 *  1. The option `access` determines the permissions of the lock's directory. Everything that slocket makes in a directory follows that directory.
 *  2. Permissions are only added, and only to what this user owns and slocket has made.
 *  3. The owner of a directory has all permissions for it, and may write to the sockets in it.
 *  4. Permissions are added through an open descriptor, so that nothing else is changed that somebody has put in its place.
 *
 * Permissions are set by chmod(2) afterwards, never by process.umask(), which changes the umask of the whole process and doesn't work in a worker thread.
 */
import fs from 'node:fs'
import type { LockAccess } from '../../../requests/lock-access.ts'
import { SlocketError, systemCode } from '../../../errors.ts'
import type { OpenDirectory } from './open-directory.ts'
import { hasDescriptorPaths } from './proc.ts'

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
const OWNER = 0o700
const WRITABLE_BY_OWNER = 0o200

/** From asm-generic/fcntl.h; not among Node's constants. */
const O_PATH = 0o10000000

/** The mode to make a lock's directory with. Narrower than its final mode, so that no other user gets in early. */
export function firstMode(access: LockAccess | undefined): number {
  return access === undefined ? DEFAULT_MODE : MODES[access] & DEFAULT_MODE
}

/** What the umask leaves of the mode of a directory. */
export function modeByUmask(mode: number): number {
  return mode & ~(process.umask() & GROUP_AND_OTHERS)
}

/** Gives the owner of a directory that was just made what the umask has taken: without it, this user could neither use nor remove the directory. */
export function giveToOwner(directory: string): void {
  const made = fs.lstatSync(directory, { throwIfNoEntry: false })
  // RACE: another process may have removed it, since it is empty.
  if (made === undefined || (made.mode & OWNER) === OWNER) return
  // Perhaps it can't be read.
  const how = hasDescriptorPaths() ? O_PATH : fs.constants.O_RDONLY
  const descriptor = fs.openSync(directory, how | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW)
  try {
    const stats = fs.fstatSync(descriptor)
    if (!isOwn(stats)) return
    const mode = (stats.mode | OWNER) & PERMISSIONS
    if (how === O_PATH) fs.chmodSync(`/proc/self/fd/${descriptor}`, mode)
    else fs.fchmodSync(descriptor, mode)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Whether a process of this user has made the directory, and hasn't yet called {@link giveToOwner} for it, as far as its mode shows. */
export function isHalfMade(stats: fs.Stats): boolean {
  return isOwnAndMadeHere(stats) && (stats.mode & OWNER) !== OWNER
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

/** Adds the permissions that a directory made by slocket inside another one lacks for its owner, and for the users of the outer one. */
export function follow(inner: OpenDirectory, outer: number): void {
  const stats = fs.fstatSync(inner.descriptor)
  if ((((outer & WRITABLE_BY_OTHERS) | OWNER) & ~stats.mode) === 0 || !isOwnAndMadeHere(stats)) return
  const mark = (outer & WRITABLE_BY_ALL) === 0 ? 0 : MADE_FOR_ALL
  changeMode(inner, stats.mode | OWNER | (outer & (GROUP_AND_OTHERS | SET_IDS)) | mark)
}

/**
 * Lets its owner, and all users that can make sockets in the directory `members`, connect to the socket `name` there, which this process has just made.
 * Connecting needs write permission for the socket (unix(7)).
 *
 * If there is no /proc, sockets have the permissions that the umask leaves them.
 */
export function shareSocket(members: OpenDirectory, name: string): void {
  const outer = fs.fstatSync(members.descriptor)
  if (!members.isPinned || !(isShared(outer.mode) || isClosedToOwner(`${members.path}/${name}`))) return
  // By a descriptor of the socket itself: the directory's owner may exchange its name.
  const descriptor = fs.openSync(`${members.path}/${name}`, O_PATH | fs.constants.O_NOFOLLOW)
  try {
    const stats = fs.fstatSync(descriptor)
    // One link: no socket of another program that somebody has linked here.
    if (!stats.isSocket() || !isOwn(stats) || stats.nlink !== 1) return
    const isOfOtherGroup = isShared(outer.mode) && stats.gid !== outer.gid && (outer.mode & WRITABLE_BY_ALL) === 0
    const isForOthers = !isOfOtherGroup || giveToGroup(descriptor, outer.gid)
    const missing = ((isForOthers ? outer.mode & WRITABLE_BY_OTHERS : 0) | WRITABLE_BY_OWNER) & ~stats.mode
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

/** Whether the umask has taken the permission to connect from the socket's owner. */
function isClosedToOwner(socket: string): boolean {
  return (fs.lstatSync(socket).mode & WRITABLE_BY_OWNER) === 0
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
