/** The directories of named locks: the root, and in it one for each name that is in use. */
import fs from 'node:fs'
import { dirname } from 'node:path'
import { makeRoom } from '../../../requests/idle.ts'
import { isSlocketError, printable, SlocketError, systemCode } from '../../../errors.ts'
import type { LockAccess } from '../../../requests/lock-access.ts'
import { DEFAULT_MODE, follow, isMadeHere, isSticky } from '../platform/access.ts'
import type { OpenDirectory } from '../platform/open-directory.ts'
import { openDirectory } from '../platform/open-directory.ts'
import { QueueDirectory } from '../directory.ts'
import { carriesMode, DirectoryUnfinished, makeWhereMissing } from '../lock-directory.ts'
import { localFileSystem } from '../platform/file-system.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { isTicketName, MEMBERS } from '../ticket-name.ts'
import { HOLDER_MARKS, withoutMark } from './marks.ts'
import { decodeName, isHashed } from './name-coding.ts'

/** How many times a lock's directory may be removed between its creation and the link. Each time another process has just left it. */
const MOST_TRIES = 1000

/** The root: `.members/` for all names, and a directory for each. Anything else in it is left alone. */
export class RootDirectory extends QueueDirectory {
  readonly #prepare: () => void

  /** @param prepare called before sockets are made in it; throws if that isn't allowed. */
  constructor(directory: string, prepare: () => void, access?: LockAccess) {
    super(directory, { access })
    this.#prepare = prepare
  }

  override open(): OpenDirectory {
    this.#prepare()
    const opened = super.open()
    // A root isn't a lock: there is nothing to wait for.
    return opened === 'foreign' ? this.#refuseForeign() : opened
  }

  /** Throws what `open` would throw, as far as a look shows. Makes nothing. */
  refuseUnusable(): void {
    this.#prepare()
    const occupant = this.occupant()
    if (occupant === 'foreign') this.#refuseForeign()
    const directory = occupant === 'directory' ? this.path : dirname(this.path)
    localFileSystem(directory)
    // access(2) checks the real user, but a file is created as the effective one.
    if (process.geteuid?.() !== process.getuid?.()) return
    try {
      // With the slash it has to be a directory.
      fs.accessSync(`${directory}/`, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK)
    } catch (error) {
      // RACE: its last user may have removed it meanwhile.
      if (occupant !== 'directory' || !isGone(error)) throw toSlocketError(error, 'use the directory', this.path)
    }
  }

  #refuseForeign(): never {
    throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', `'${this.path}' is not a directory`)
  }

  protected override refuseOthers(): void {}

  /** The directories in it that are named like those of locks, and that this user can list. */
  files(): string[] {
    try {
      const files = fs.readdirSync(this.path).filter((name) => isHashed(name) || decodeName(name) !== undefined)
      return files.filter((name) => this.#canList(name))
    } catch (error) {
      if (isGone(error)) return []
      makeRoom(toSlocketError(error, 'list the locks in', this.path))
      return this.files()
    }
  }

  /** Whether it is a directory, and no link to one. Also true if that can't be found out for another reason than a permission: the listing reports it. */
  #canList(name: string): boolean {
    const place = this.pathOf(name)
    try {
      const stats = fs.lstatSync(place, { throwIfNoEntry: false })
      if (stats?.isDirectory() !== true) return false
      if (stats.uid !== process.geteuid?.()) fs.accessSync(place, fs.constants.R_OK | fs.constants.X_OK)
      return true
    } catch (error) {
      return systemCode(error) !== 'EACCES'
    }
  }
}

/**
 * The queue of one name. Created by the first ticket in it, removed by the process that leaves it empty. An empty directory that somebody else has made is used, and stays.
 */
export class NameDirectory extends QueueDirectory {
  readonly #root: RootDirectory
  /** Whether it has the permissions of the root, as far as this process can ensure that. */
  #follows = false
  /** Whether this object made it, on a file system on which its mode may not say so. */
  #isMaker = false

  constructor(root: RootDirectory, file: string) {
    super(root.pathOf(file))
    this.#root = root
  }

  /** Undefined also if the root is no longer a directory: the process that opens it next reports what it is. */
  protected override look(): fs.Stats | undefined {
    try {
      return super.look()
    } catch (error) {
      if (isSlocketError(error) && isGone(error.cause)) return undefined
      throw error
    }
  }

  override get hasLinks(): boolean {
    return this.#root.hasLinks
  }

  override set hasLinks(hasLinks: boolean) {
    this.#root.hasLinks = hasLinks
  }

  override pathOfMember(file: string): string {
    return this.#root.pathOf(`${MEMBERS}/${file}`)
  }

  override link(member: string, name: string): 'linked' | 'gone' | 'no-links' {
    const linked = this.#inDirectory(() => {
      this.#refuseOtherDirectories()
      const result = super.link(member, name)
      return result === 'gone' ? undefined : result
    })
    // RACE: a process of this user may have been killed between the making and this.
    if (linked === 'linked' && this.#root.isShared && !this.#follows) this.#follow()
    return linked ?? 'gone'
  }

  override rename(member: string, name: string): boolean {
    const isRenamed = this.#inDirectory(() => {
      this.#refuseOtherDirectories()
      return super.rename(member, name) || undefined
    })
    return isRenamed === true
  }

  override removeTicket(name: string): void {
    for (const mark of HOLDER_MARKS) this.removeEntry(name + mark)
    super.removeTicket(name)
  }

  /** Removes the marks of a ticket that is gone. Its owner must be dead, too. */
  removeLoneMarksOf(name: string): void {
    if (!this.has(name)) for (const mark of HOLDER_MARKS) this.removeMark(name + mark)
  }

  /** Named locks have no `recovered`, so nothing has to be remembered. */
  override removeOrMark(name: string): void {
    this.removeTicket(name)
  }

  override removeIfEmpty(): void {
    try {
      // Unlike with the path of a lock, the sticky bit is enough: sandboxes refuse the bit of a directory for all users (systemd's RestrictSUIDSGID).
      if (!this.#isMaker && !isSticky(fs.lstatSync(this.path).mode)) return
      fs.rmdirSync(this.path)
      this.#isMaker = false
    } catch (error) {
      // Not empty, or gone.
      if (systemCode(error) === undefined) throw error
    }
  }

  /** @throws ERR_SLOCKET_NOT_A_LOCK for a link, which may lead to the directory of another lock, and for a directory with other content. */
  #refuseOtherDirectories(): void {
    const stats = this.look()
    if (stats === undefined) return
    if (!stats.isDirectory()) {
      this.occupant()
      throw this.#inTheWay()
    }
    if (!this.#isMaker && !isMadeHere(stats.mode)) this.#refuseOtherContent()
  }

  #refuseOtherContent(): void {
    const other = this.names().find((name) => !isTicketName(withoutMark(name)))
    if (other === undefined) return
    throw new SlocketError(
      'ERR_SLOCKET_NOT_A_LOCK',
      `'${this.path}' is a directory with other content ('${printable(other)}'), not a lock; nothing in it was touched. Use another name, or another root`,
    )
  }

  #inTheWay(): SlocketError {
    return new SlocketError(
      'ERR_SLOCKET_NOT_A_LOCK',
      `'${this.path}' is in the way of a lock, and is not one; remove it`,
    )
  }

  /** Renames a mark. Returns false if it is gone. */
  renameMark(from: string, to: string): boolean {
    try {
      fs.renameSync(this.pathOf(from), this.pathOf(to))
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw toSlocketError(error, 'steal', this.path)
    }
  }

  /** Runs a step that needs the directory, which it creates if it is missing. Undefined if something else is missing. */
  #inDirectory<T>(step: () => T | undefined): T | undefined {
    let isThere = false
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const result = this.#take(step)
      if (result !== undefined) return result
      // RACE: the process that left it empty may have removed it before the step, and others may have made it again afterwards.
      const wasThere = isThere
      const occupant = this.occupant()
      if (occupant === 'foreign') throw this.#inTheWay()
      isThere = occupant === 'directory'
      if (isThere && wasThere) return undefined
      if (!isThere && !this.#make()) return undefined
    }
    return undefined
  }

  #take<T>(step: () => T | undefined): T | undefined {
    try {
      return step()
    } catch (error) {
      // RACE: another user has made it, and hasn't given it the permissions of the root yet.
      if (this.#root.isShared && isSlocketError(error, 'ERR_SLOCKET_PERMISSION')) throw new DirectoryUnfinished(error)
      throw error
    }
  }

  /** Gives it the permissions of the root. Errors are ignored: the next ticket at the latest gets them again. */
  #follow(): void {
    let directory: OpenDirectory | undefined
    try {
      directory = openDirectory(this.path)
      follow(directory, this.#root.mode)
      this.#follows = true
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    } finally {
      directory?.close()
    }
  }

  /** Returns false if the root is gone. */
  #make(): boolean {
    try {
      if (makeWhereMissing(this.path) && this.#root.fileSystem?.hasSocketLinks !== true)
        this.#isMaker = !carriesMode(this.path, DEFAULT_MODE)
      if (this.#root.isShared) this.#follow()
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw toSlocketError(error, 'make a directory in', this.#root.path)
    }
  }
}
