/**
 * The lock directory itself: how it is made where it is missing, and goes with its last user.
 *
 *     PATH/            tickets, and marks beside those that wait: `ls` shows the queue in its order
 *     PATH/.members/   one socket for each member; tickets are hard links to them
 *
 * A directory made here, of the two, carries the sticky bit and is not writable by all; only such a one is removed when
 * it is empty. One that the user made (`mkdir -m 1777 …`) is used and stays. On a file system that keeps no modes, it is removed only
 * if the process that made it is also the last one to leave.
 */
import fs from 'node:fs'
import path from 'node:path'
import { SlocketError, systemCode } from '../../errors.ts'
import type { FileSystem } from './file-system.ts'
import { localFileSystem } from './file-system.ts'
import { isMkdirLock, takeOver } from './mkdir-lock.ts'
import type { OpenDirectory } from './open-directory.ts'
import { chmodDirectory, openDirectory } from './open-directory.ts'
import { refuseOtherContent } from './other-content.ts'
import { isDeno } from './runtime.ts'
import { isGone, toSlocketError } from './system-error.ts'
import { MEMBERS } from './ticket-name.ts'

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

export class LockDirectory {
  readonly path: string
  readonly #mkdirStaleMs: number | undefined
  #hasLinks = false
  #fileSystem: FileSystem | undefined
  /** Whether this made the directory, on a file system on which its mode cannot say so. */
  #isMaker = false

  /** @param mkdirStaleMs where another tool makes its locks by `mkdir`: how old such a one is that is nobody's any more. */
  constructor(directory: string, mkdirStaleMs?: number) {
    this.path = directory
    this.#mkdirStaleMs = mkdirStaleMs
  }

  /** Whether hard links to sockets are known to lead to them here. False: each ticket has a socket of its own. */
  get hasLinks(): boolean {
    return this.#hasLinks
  }

  set hasLinks(hasLinks: boolean) {
    this.#hasLinks = hasLinks
  }

  /** Where it was when it was last opened. */
  get fileSystem(): FileSystem | undefined {
    return this.#fileSystem
  }

  /**
   * Makes the directory where it is missing. `foreign`: something that is somebody else's lock is in its place.
   * Otherwise `.members`, for sockets to be made in; to be closed.
   */
  open(): OpenDirectory | 'foreign' {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const occupant = this.occupant()
      if (occupant === 'foreign') return 'foreign'
      this.#fileSystem = localFileSystem(occupant === 'directory' ? this.path : path.dirname(this.path))
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

  pathOf(name: string): string {
    return `${this.path}/${name}`
  }

  /** Where the socket of a member is. */
  pathOfMember(file: string): string {
    return this.pathOf(`${MEMBERS}/${file}`)
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

  /** Removes what is empty and ours. */
  removeIfEmpty(): void {
    let directory: OpenDirectory | undefined
    try {
      directory = openDirectory(this.path)
      const members = `${directory.path}/${MEMBERS}`
      const stats = fs.lstatSync(members, { throwIfNoEntry: false })
      if (stats !== undefined) {
        if (!this.#isOurs(stats)) return
        fs.rmdirSync(members)
      } else if (this.#mkdirStaleMs !== undefined) {
        // Whoever took `.members` out of it removes it: what is at the path by now may be another tool's new lock.
        return
      }
      if (this.#isOurs(fs.lstatSync(this.path))) fs.rmdirSync(this.path)
      this.#isMaker = false
    } catch (error) {
      // Not empty: others are here. Whatever else hinders is for the next one who uses the lock to meet and to report.
      if (systemCode(error) === undefined) throw error
    } finally {
      directory?.close()
    }
  }

  #make(): void {
    try {
      if (makeWhereMissing(this.path) && !this.#fileSystem!.hasSocketLinks) this.#isMaker = !carriesMode(this.path)
    } catch (error) {
      throw toSlocketError(error, 'make the lock directory', this.path)
    }
  }

  #isOurs(stats: fs.Stats): boolean {
    return this.#isMaker || isMadeHere(stats)
  }

  /** Undefined where the directory has vanished, or something else is in its place by now. */
  #openMembers(): OpenDirectory | 'foreign' | undefined {
    let directory: OpenDirectory | undefined
    try {
      directory = openDirectory(this.path)
      // RACE: another tool may have made it since it was missing above. Now it stays the one that it is.
      if (this.#mkdirStaleMs !== undefined && !this.#isMaker && !takeOver(directory.path, this.#mkdirStaleMs))
        return 'foreign'
      const members = `${directory.path}/${MEMBERS}`
      if (makeWhereMissing(members) && !this.#fileSystem!.hasSocketLinks) carriesMode(members)
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

/** Gives a new directory the mode that says who made it, which the mkdir of some file systems drops (bindfs). False if it cannot have that (ntfs-3g, FAT). */
function carriesMode(directory: string): boolean {
  try {
    chmodDirectory(directory, MODE & ~process.umask())
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
  return isMadeHere(fs.lstatSync(directory))
}

function isMadeHere({ mode }: fs.Stats): boolean {
  return (mode & 0o1000) !== 0 && (mode & 0o002) === 0
}

/** False if it was there. */
export function makeWhereMissing(directory: string): boolean {
  try {
    fs.mkdirSync(directory, MODE)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  }
  // Deno's mkdir drops the sticky bit. Killed before this, it leaves a directory that stays.
  if (isDeno) chmodDirectory(directory, MODE & ~process.umask())
  return true
}
