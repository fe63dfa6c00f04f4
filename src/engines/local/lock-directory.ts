/**
 * The lock directory itself: creates it if it is missing, and removes it with its last user.
 *
 *     PATH/            tickets, and their marks: `ls` shows the queue in its order
 *     PATH/.members/   one socket for each member; tickets are hard links to them
 *
 * Of these two, a directory made here carries the sticky bit, and isn't writable by all or carries the set-user-ID bit. Only
 * such a directory is removed when it is empty. A directory that the user made (`mkdir -m 1777 …`) is used and stays. On a file
 * system that keeps no modes, it is removed only if the process that made it is also the last to leave.
 */
import fs from 'node:fs'
import path from 'node:path'
import { isOutOfDescriptors } from '../../requests/idle.ts'
import type { LockAccess } from '../../requests/lock-access.ts'
import type { Obstacle } from '../../requests/obstacle.ts'
import { refuseObstacle } from '../../requests/obstacle.ts'
import { isSlocketError, SlocketError, systemCode } from '../../errors.ts'
import {
  DEFAULT_MODE,
  firstMode,
  follow,
  giveToOwner,
  isHalfMade,
  isMadeHere,
  isShared,
  modeByUmask,
  tooNarrow,
  widen,
} from './platform/access.ts'
import type { FileSystem } from './platform/file-system.ts'
import { localFileSystem } from './platform/file-system.ts'
import { isMkdirLock, takeOver } from './occupant/mkdir-lock.ts'
import { describeObstacle, obstacleBy } from './occupant/obstacle.ts'
import type { OpenDirectory } from './platform/open-directory.ts'
import { chmodDirectory, openDirectory } from './platform/open-directory.ts'
import { otherContentOf, refuseOtherContent } from './occupant/other-content.ts'
import { isBsd } from './platform/bsd.ts'
import { isDeno } from './platform/runtime.ts'
import { isGone, toSlocketError } from './platform/system-error.ts'
import { MEMBERS } from './ticket-name.ts'

/** How many times the directory may vanish between two steps (its last user left) before that is an error. */
const MOST_TRIES = 1000
/** The longest path of a system call: PATH_MAX without the zero byte at the end (limits.h). */
const MOST_PATH_BYTES = isBsd ? 1023 : 4095
/** Of a slash, and the longest name of a ticket with a mark. */
const LONGEST_NAME_BYTES = 95
/** How many times in a row the parent may be reported as missing although it exists. */
const MOST_MISSING = 20

/** Thrown if the directory vanished, because its last user left, before a socket in it could be made or reached. */
export class DirectoryGone extends Error {
  /** @param cause what to report if it vanishes again and again. */
  constructor(cause: Error) {
    super('the lock directory has vanished', { cause })
  }
}

/** Thrown if another user's directory is too narrow for this one: its maker may be about to change that, or may have been killed there. */
export class DirectoryUnfinished extends DirectoryGone {}

/** What is at the path of a lock. */
export type Occupant = 'nothing' | 'directory' | 'foreign'

/** The errors of rmdir(2) for a directory that isn't empty. */
const NOT_EMPTY: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST'])

/** How to create a lock's directory. */
export interface DirectoryOptions {
  /** If another tool makes its locks here by `mkdir`: the age in ms after which such a lock counts as abandoned. */
  readonly mkdirStaleMs?: number | undefined
  /** Default: what the umask allows. */
  readonly access?: LockAccess | undefined
}

export class LockDirectory {
  readonly path: string
  readonly #mkdirStaleMs: number | undefined
  readonly #access: LockAccess | undefined
  #mode = 0
  #hasLinks = false
  #fileSystem: FileSystem | undefined
  /** Whether this object created the directory, on a file system on which its mode cannot say so. */
  #isMaker = false

  constructor(directory: string, { mkdirStaleMs, access }: DirectoryOptions = {}) {
    this.path = directory
    this.#mkdirStaleMs = mkdirStaleMs
    this.#access = access
  }

  /** The mode of the directory when it was last opened. */
  get mode(): number {
    return this.#mode
  }

  /** Whether other users may make tickets in it, or should be able to. */
  get isShared(): boolean {
    return isShared(this.#mode) || this.#access === 'group' || this.#access === 'all'
  }

  /** Whether hard links to sockets are known to lead to them here. False: each ticket has a socket of its own. */
  get hasLinks(): boolean {
    return this.#hasLinks
  }

  set hasLinks(hasLinks: boolean) {
    this.#hasLinks = hasLinks
  }

  /** The file system that it was on when it was last opened. */
  get fileSystem(): FileSystem | undefined {
    return this.#fileSystem
  }

  /**
   * Creates the directory if it is missing. `foreign`: the lock of another program is in its place.
   * Otherwise returns `.members`, in which sockets are made. The caller must close it.
   *
   * @throws DirectoryUnfinished; what a system error means.
   */
  open(): OpenDirectory | 'foreign' {
    this.#refuseLongPath()
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const occupant = this.occupant()
      if (occupant === 'foreign') return 'foreign'
      this.#fileSystem = localFileSystem(occupant === 'directory' ? this.path : path.dirname(this.path))
      if (occupant === 'nothing') this.#make(tries)
      else this.#refuseOthersHere()
      // RACE: its last user has removed it between the two looks.
      if (this.#fileSystem === undefined) continue
      const members = this.#openMembers()
      if (members !== undefined) return members
    }
    throw new SlocketError('ERR_SLOCKET_SYSTEM', `the lock directory '${this.path}' vanishes again and again`)
  }

  /** Its socket would be made through a descriptor, and could then be neither linked nor removed by its path. */
  #refuseLongPath(): void {
    const most = MOST_PATH_BYTES - LONGEST_NAME_BYTES
    if (Buffer.byteLength(this.path) <= most) return
    throw new SlocketError(
      'ERR_SLOCKET_PATH_TOO_LONG',
      `'${this.path}' is too long for a lock, which needs room for the names in it: the path may have ${most} bytes`,
    )
  }

  /** Throws if there is anything in the directory that does not belong there. */
  protected refuseOthers(directory: string = this.path): void {
    refuseOtherContent(directory)
  }

  /** @throws ERR_SLOCKET_NOT_A_LOCK for an obstacle that no request waits for; what a system error means. */
  occupant(): Occupant {
    const stats = this.look()
    if (stats === undefined) return 'nothing'
    if (stats.isDirectory()) return this.#isMkdirLock() ? 'foreign' : 'directory'
    refuseObstacle(obstacleBy(stats, this.path))
    return 'foreign'
  }

  /** What is in the way of the lock. Undefined if nothing is. Makes no difference between sockets. @throws what a system error means. */
  obstacle(): Obstacle | undefined {
    const stats = this.look()
    if (stats === undefined) return undefined
    if (!stats.isDirectory()) return obstacleBy(stats, this.path)
    return this.#isMkdirLock() ? describeObstacle('mkdir-lock', this.path) : otherContentOf(this.path)
  }

  protected look(): fs.Stats | undefined {
    try {
      return fs.lstatSync(this.path, { throwIfNoEntry: false })
    } catch (error) {
      throw toSlocketError(error, 'look at', this.path)
    }
  }

  /** Whether another tool makes its locks here by `mkdir`. */
  get isBesideMkdir(): boolean {
    return this.#mkdirStaleMs !== undefined
  }

  #isMkdirLock(): boolean {
    return this.#mkdirStaleMs !== undefined && isMkdirLock(this.path, this.#mkdirStaleMs)
  }

  pathOf(name: string): string {
    return `${this.path}/${name}`
  }

  /** Where the socket of a member is. */
  pathOfMember(file: string): string {
    return `${this.path}/${MEMBERS}/${file}`
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

  /** Removes the directories that slocket made, if they are empty. */
  removeIfEmpty(): void {
    let directory: OpenDirectory | undefined
    try {
      // Beside mkdir, `.members` goes last: without it, what a release leaves for a moment would be another tool's lock. Listed before the
      // directory is opened, so that one descriptor is enough: nothing may be left, since the other tool would take it for a lock.
      if (this.#mkdirStaleMs !== undefined && fs.readdirSync(this.path).length > 1) return
      directory = openDirectory(this.path)
      const members = `${directory.path}/${MEMBERS}`
      const stats = fs.lstatSync(members, { throwIfNoEntry: false })
      if (stats !== undefined) {
        if (!this.#isOurs(stats)) return
        fs.rmdirSync(members)
      } else if (this.#mkdirStaleMs !== undefined) {
        // Only the process that removed `.members` from it removes it: what is at the path by now may be another tool's new lock.
        return
      }
      if (this.#isOurs(fs.lstatSync(this.path))) this.#removePath()
      this.#isMaker = false
    } catch (error) {
      // Not empty: others are here. Any other error is left to the next user of the lock, which will get it, too, and report it.
      if (systemCode(error) === undefined) throw error
      if (directory === undefined && isOutOfDescriptors(error)) this.#removeEmpty()
    } finally {
      directory?.close()
    }
  }

  #removePath(): void {
    try {
      fs.rmdirSync(this.path)
    } catch (error) {
      if (!NOT_EMPTY.has(systemCode(error) ?? '')) throw error
      // No member is left, so there may be marks of tickets that are gone. Or others have come meanwhile.
      this.removeLoneMarks()
      fs.rmdirSync(this.path)
    }
  }

  /** Removes marks without a ticket, if there are any. */
  protected removeLoneMarks(): void {}

  #refuseOthersHere(): void {
    try {
      this.refuseOthers()
    } catch (error) {
      if (!isSlocketError(error, 'ERR_SLOCKET_PERMISSION')) throw error
      if (!this.#removeHalfMade()) throw this.#toRefusal(error.cause)
    }
  }

  /**
   * RACE: a process of this user has made the directory with a umask that takes its owner's permissions, and hasn't added them yet, or was killed before
   * that. Returns true if it is gone.
   */
  #removeHalfMade(): boolean {
    const stats = this.look()
    if (stats !== undefined && isHalfMade(stats)) this.#removeEmpty()
    return this.look() === undefined
  }

  /** Removes the directory only if it is empty, without `.members`. It isn't opened, which needs a descriptor: its mode is looked at by its path. */
  #removeEmpty(): void {
    try {
      if (isMadeHere(fs.lstatSync(this.path).mode)) fs.rmdirSync(this.path)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  #make(tries: number): void {
    try {
      const mode = firstMode(this.#access)
      if (makeWhereMissing(this.path, mode) && this.#fileSystem?.hasSocketLinks !== true)
        this.#isMaker = !carriesMode(this.path, mode)
    } catch (error) {
      // FUSE may report ENOENT while the directory is being removed, though the parent exists (gocryptfs, mergerfs). In /proc, it is permanent.
      if (systemCode(error) === 'ENOENT' && tries < MOST_MISSING && fs.existsSync(path.dirname(this.path))) return
      if (systemCode(error) === 'EACCES') throw this.#toParentRefusal(error)
      throw toSlocketError(error, 'make the lock directory', this.path)
    }
  }

  #toParentRefusal(cause: unknown): SlocketError {
    const parent = path.dirname(this.path)
    const message = `cannot make the lock directory '${this.path}': this user may not create anything in '${parent}' (EACCES)`
    return new SlocketError('ERR_SLOCKET_PERMISSION', message, { cause })
  }

  #isOurs(stats: fs.Stats): boolean {
    return this.#isMaker || isMadeHere(stats.mode)
  }

  /** Undefined if the directory has vanished, or something else is in its place by now. */
  #openMembers(): OpenDirectory | 'foreign' | undefined {
    let directory: OpenDirectory | undefined
    try {
      directory = openDirectory(this.path)
      // RACE: another tool may have made it since it was missing above. From here on, its descriptor is used, so it can't be exchanged any more.
      if (this.#mkdirStaleMs !== undefined && !this.#isMaker && !takeOver(directory.path, this.#mkdirStaleMs))
        return 'foreign'
      return this.#openMembersIn(directory)
    } catch (error) {
      const code = systemCode(error)
      if (code === undefined) throw error
      if (code === 'EACCES') {
        if (this.#removeHalfMade()) return undefined
        throw this.#toRefusal(error)
      }
      if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'ELOOP') {
        // Without `.members`, another tool would take it for a lock.
        this.#removeEmpty()
        throw toSlocketError(error, 'make the lock directory', this.path)
      }
      if (code === 'ENOENT' || this.occupant() !== 'directory') return undefined
      throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', `'${this.path}/${MEMBERS}' is not a directory`, { cause: error })
    } finally {
      directory?.close()
    }
  }

  #openMembersIn(directory: OpenDirectory): OpenDirectory {
    if (this.#access !== undefined) this.#widen(directory, this.#access)
    this.#mode = fs.fstatSync(directory.descriptor).mode
    const place = `${directory.path}/${MEMBERS}`
    // It nearly always exists, and an error takes 0.15 ms the first time.
    const isMissing = fs.lstatSync(place, { throwIfNoEntry: false }) === undefined
    if (isMissing && makeWhereMissing(place) && !this.#fileSystem!.hasSocketLinks) carriesMode(place, DEFAULT_MODE)
    const members = openDirectory(place)
    try {
      follow(members, this.#mode)
      return members
    } catch (error) {
      members.close()
      throw error
    }
  }

  #widen(directory: OpenDirectory, access: LockAccess): void {
    try {
      widen(directory, this.path, access, () => this.refuseOthers(directory.path))
    } catch (error) {
      // RACE: another user has made it, and hasn't widened it yet.
      throw isSlocketError(error, 'ERR_SLOCKET_PERMISSION') ? new DirectoryUnfinished(error) : error
    }
  }

  /** The error to report if this user has no permission for the directory, or for something in it. */
  #toRefusal(error: unknown): Error {
    const refusal = toSlocketError(error, 'make the lock directory', this.path)
    if (!this.isShared) return refusal
    const stats = fs.lstatSync(this.path, { throwIfNoEntry: false })
    if (stats === undefined || this.#access === undefined) return new DirectoryUnfinished(refusal)
    return new DirectoryUnfinished(tooNarrow(this.path, this.#access, stats))
  }
}

/**
 * Gives a new directory the mode that shows that slocket made it. The mkdir of some file systems drops it (bindfs). False if the file system
 * doesn't keep it (ntfs-3g, FAT).
 */
export function carriesMode(directory: string, mode: number): boolean {
  try {
    chmodDirectory(directory, modeByUmask(mode))
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
  return isMadeHere(fs.lstatSync(directory).mode)
}

/** False if the directory exists already. */
export function makeWhereMissing(directory: string, mode: number = DEFAULT_MODE): boolean {
  try {
    fs.mkdirSync(directory, mode)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  }
  giveToOwner(directory)
  // Deno's mkdir drops the sticky bit, and so does mkdir(2) of BSD kernels. A process that is killed before this line leaves a directory that stays.
  if (isDeno || isBsd) chmodDirectory(directory, modeByUmask(mode))
  return true
}
