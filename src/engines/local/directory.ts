/**
 * The queue directory: the lock, as files. Everything here is one synchronous step of the file system.
 *
 *     PATH/            tickets, and marks beside those that wait: `ls` shows the queue in its order
 *     PATH/.members/   one socket for each member; tickets are hard links to them
 *
 * A directory made here, of the two, carries the sticky bit and is not writable by all; only such a one is removed when
 * it is empty. One that the user made (`mkdir -m 1777 …`) is used and stays.
 */
import fs from 'node:fs'
import path from 'node:path'
import { SlocketError, systemCode } from '../../errors.ts'
import { refuseNetworkFileSystem } from './file-system.ts'
import { isMkdirLock, takeOver } from './mkdir-lock.ts'
import type { OpenDirectory } from './open-directory.ts'
import { chmodDirectory, openDirectory } from './open-directory.ts'
import { refuseOtherContent } from './other-content.ts'
import { isDeno } from './runtime.ts'
import { isGone, toSlocketError } from './system-error.ts'
import { MEMBERS, markOf, WAITS } from './ticket-name.ts'

/** rwxrwxr-t, less the umask. */
const MODE = 0o1775
/** How often the directory may vanish between two steps (its last user left) before that is an error. */
const MOST_TRIES = 1000

/** Thrown where the directory has vanished, because its last user left, before a socket in it could be made or reached. */
export class DirectoryGone extends Error {
  /** @param cause what to report where it vanishes again and again. */
  constructor(cause: Error) {
    super('the lock directory has vanished', { cause })
  }
}

/** What is at the path of a lock. */
export type Occupant = 'nothing' | 'directory' | 'foreign'

export class QueueDirectory {
  readonly path: string
  readonly #mkdirStaleMs: number | undefined

  /** @param mkdirStaleMs where another tool makes its locks by `mkdir`: how old such a one is that is nobody's any more. */
  constructor(directory: string, mkdirStaleMs?: number) {
    this.path = directory
    this.#mkdirStaleMs = mkdirStaleMs
  }

  /**
   * Makes the directory where it is missing. `foreign`: something that is somebody else's lock is in its place.
   * Otherwise `.members`, for sockets to be made in; to be closed.
   */
  open(): OpenDirectory | 'foreign' {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const occupant = this.occupant()
      if (occupant === 'foreign') return 'foreign'
      refuseNetworkFileSystem(occupant === 'directory' ? this.path : path.dirname(this.path))
      if (occupant === 'nothing') this.#make()
      else this.refuseOthers()
      const members = this.#openMembers()
      if (members !== undefined) return members
    }
    throw new SlocketError('ERR_SLOCKET_SYSTEM', `the lock directory '${this.path}' vanishes again and again`)
  }

  /** Throws where there is anything in the directory that does not belong there. */
  protected refuseOthers(): void {
    refuseOtherContent(this.path)
  }

  occupant(): Occupant {
    let stats: fs.Stats | undefined
    try {
      stats = fs.lstatSync(this.path, { throwIfNoEntry: false })
    } catch (error) {
      throw toSlocketError(error, 'look at', this.path)
    }
    if (stats === undefined) return 'nothing'
    if (stats.isDirectory()) {
      return this.#mkdirStaleMs !== undefined && isMkdirLock(this.path, this.#mkdirStaleMs) ? 'foreign' : 'directory'
    }
    if (!stats.isSymbolicLink()) return 'foreign'
    throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', `'${this.path}' is a symbolic link, not a lock; name its target`)
  }

  /** The names in it, those of tickets in queue order; none where the directory is gone. */
  names(): string[] {
    try {
      const names = fs.readdirSync(this.path)
      return isSorted(names) ? names : names.sort()
    } catch (error) {
      if (isGone(error)) return []
      throw toSlocketError(error, 'list the queue', this.path)
    }
  }

  pathOf(name: string): string {
    return `${this.path}/${name}`
  }

  /** Where the socket of a member is. */
  pathOfMember(file: string): string {
    return this.pathOf(`${MEMBERS}/${file}`)
  }

  /** Links the socket `member` as the ticket `name`. `no-links`: this file system cannot. */
  link(member: string, name: string): 'linked' | 'gone' | 'no-links' {
    try {
      fs.linkSync(this.pathOfMember(member), this.pathOf(name))
      return 'linked'
    } catch (error) {
      // EMLINK: as many tickets as one socket can have (65,000 on ext4); a new member has room again.
      if (isGone(error) || systemCode(error) === 'EMLINK') return 'gone'
      if (NO_LINKS.has(systemCode(error) ?? '')) return 'no-links'
      throw toSlocketError(error, 'join the queue', this.path)
    }
  }

  /** Makes a ticket of a socket that listens among the members. False where that is gone. */
  rename(member: string, name: string): boolean {
    try {
      fs.renameSync(this.pathOfMember(member), this.pathOf(name))
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw toSlocketError(error, 'join the queue', this.path)
    }
  }

  /** Adds a mark to a ticket. False where that cannot be had: the ticket is gone, or the file system has no links. */
  mark(name: string, suffix: string = WAITS): boolean {
    const mark = this.pathOf(name + suffix)
    try {
      fs.linkSync(this.pathOf(name), mark)
      return true
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return true
      if (isGone(error)) return false
      // EMLINK: the socket has as many links as it can have.
      const code = systemCode(error) ?? ''
      if (code !== 'EMLINK' && !NO_LINKS.has(code)) throw toSlocketError(error, 'mark a ticket in', this.path)
    }
    try {
      fs.symlinkSync(name, mark)
      return true
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return true
      if (isGone(error) || NO_LINKS.has(systemCode(error) ?? '')) return false
      throw toSlocketError(error, 'mark a ticket in', this.path)
    }
  }

  /** Takes a ticket out of the queue. False where it is gone. */
  unlink(name: string): boolean {
    try {
      fs.unlinkSync(this.pathOf(name))
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw toSlocketError(error, 'leave the queue', this.path)
    }
  }

  /** Removes a dead ticket. Its mark goes first, so that no mark is ever left alone. */
  sweepTicket(name: string): void {
    this.sweep(markOf(name))
    this.sweep(name)
  }

  /** Removes the socket in `.members` that the dead ticket is a link to. Of any other, a ticket's name proves nothing. */
  sweepMember(file: string, ticket: string): void {
    const socket = this.pathOfMember(file)
    const inode = inodeAt(socket)
    if (inode !== undefined && inode === this.inodeOf(ticket)) this.#sweepAt(socket)
  }

  /** Undefined where it is gone, or is no socket. */
  inodeOf(name: string): number | undefined {
    return inodeAt(this.pathOf(name))
  }
  /** Removes litter, or a mark. What another user left in a sticky directory stays. */
  sweep(name: string): void {
    this.#sweepAt(this.pathOf(name))
  }

  #sweepAt(entry: string): void {
    try {
      fs.unlinkSync(entry)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  /** Whether the ticket is there; true where that cannot be told. */
  has(name: string): boolean {
    try {
      return fs.lstatSync(this.pathOf(name), { throwIfNoEntry: false }) !== undefined
    } catch (error) {
      return systemCode(error) !== 'ENOTDIR'
    }
  }

  /** Whether something is at `name`, and is no socket: then it is neither a ticket nor a member, whatever its name is. */
  isForeign(name: string): boolean {
    try {
      return fs.lstatSync(this.pathOf(name), { throwIfNoEntry: false })?.isSocket() === false
    } catch (error) {
      // It cannot be looked at: whoever connects to it meets the same, and reports it.
      if (systemCode(error) === undefined) throw error
      return false
    }
  }

  /** When the ticket was made or last touched: wall clock, in ms; undefined where it is gone. */
  touchedMs(name: string): number | undefined {
    try {
      return fs.lstatSync(this.pathOf(name), { throwIfNoEntry: false })?.mtimeMs
    } catch (error) {
      throw toSlocketError(error, 'look at a ticket of', this.path)
    }
  }

  /** Shows cleaners of temporary directories that the ticket, and the socket that it is a link to, are in use. */
  touch(name: string): void {
    try {
      const now = new Date()
      fs.lutimesSync(this.pathOf(name), now, now)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  /** Whether a socket could be made among the members now, or could not because the directory is gone. */
  canMakeSockets(): boolean {
    try {
      fs.accessSync(this.pathOf(MEMBERS), fs.constants.W_OK | fs.constants.X_OK)
      return true
    } catch (error) {
      return isGone(error)
    }
  }

  memberNames(): string[] {
    try {
      return fs.readdirSync(this.pathOf(MEMBERS))
    } catch (error) {
      if (isGone(error)) return []
      throw toSlocketError(error, 'list the members of', this.path)
    }
  }

  /** Removes what is empty and ours. */
  removeIfEmpty(): void {
    let directory: OpenDirectory | undefined
    try {
      directory = openDirectory(this.path)
      const members = `${directory.path}/${MEMBERS}`
      const stats = fs.lstatSync(members, { throwIfNoEntry: false })
      if (stats !== undefined) {
        if (!isMadeHere(stats)) return
        fs.rmdirSync(members)
      } else if (this.#mkdirStaleMs !== undefined) {
        // Whoever took `.members` out of it removes it: what is at the path by now may be another tool's new lock.
        return
      }
      if (isMadeHere(fs.lstatSync(this.path))) fs.rmdirSync(this.path)
    } catch (error) {
      // Not empty: others are here. Whatever else hinders is for the next one who uses the lock to meet and to report.
      if (systemCode(error) === undefined) throw error
    } finally {
      directory?.close()
    }
  }

  #make(): void {
    try {
      makeWhereMissing(this.path)
    } catch (error) {
      throw toSlocketError(error, 'make the lock directory', this.path)
    }
  }

  /** Undefined where the directory has vanished, or something else is in its place by now. */
  #openMembers(): OpenDirectory | 'foreign' | undefined {
    let directory: OpenDirectory | undefined
    try {
      directory = openDirectory(this.path)
      // RACE: another tool may have made it since it was missing above. Now it stays the one that it is.
      if (this.#mkdirStaleMs !== undefined && !takeOver(directory.path, this.#mkdirStaleMs)) return 'foreign'
      const members = `${directory.path}/${MEMBERS}`
      makeWhereMissing(members)
      return openDirectory(members)
    } catch (error) {
      const code = systemCode(error)
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') {
        throw toSlocketError(error, 'make the lock directory', this.path)
      }
      if (code === 'ENOENT' || this.occupant() !== 'directory') return undefined
      throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', `'${this.path}/${MEMBERS}' is not a directory`, { cause: error })
    } finally {
      directory?.close()
    }
  }
}

/** Node gives names in the order of their bytes, since libuv sorts them (uv_fs_scandir, measured on Node 20 to 26); nobody promises it. */
function isSorted(names: readonly string[]): boolean {
  for (let index = 1; index < names.length; index += 1) if (names[index - 1]! > names[index]!) return false
  return true
}

function isMadeHere({ mode }: fs.Stats): boolean {
  return (mode & 0o1000) !== 0 && (mode & 0o002) === 0
}

export function makeWhereMissing(directory: string): void {
  try {
    fs.mkdirSync(directory, MODE)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return
  }
  // Deno's mkdir drops the sticky bit. Killed before this, it leaves a directory that stays.
  if (isDeno) chmodDirectory(directory, MODE & ~process.umask())
}

const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

function inodeAt(entry: string): number | undefined {
  try {
    const stats = fs.lstatSync(entry, { throwIfNoEntry: false })
    return stats?.isSocket() === true ? stats.ino : undefined
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}
