/**
 * The contents of the lock directory: tickets, marks, and sockets of members. Each function here is one synchronous step in the
 * file system.
 */
import fs from 'node:fs'
import { makeRoom } from '../../requests/idle.ts'
import { isSlocketError, SlocketError, systemCode } from '../../errors.ts'
import { debug } from '../../debug.ts'
import { wallNowMs } from '../../real-time.ts'
import { LockDirectory } from './lock-directory.ts'
import { isGone, NO_LINKS, toSlocketError } from './platform/system-error.ts'
import { witness } from './platform/witness.ts'
import { DOWNGRADED, isTicketName, markedBy, MEMBERS, REPORTED } from './ticket-name.ts'

/** As it was when slocket was loaded: tests of programs often replace it by a function that always returns true. */
const { existsSync } = fs

export class QueueDirectory extends LockDirectory {
  /** Returns the names in it, those of tickets in queue order; empty if the directory is gone. */
  names(): string[] {
    try {
      const names = fs.readdirSync(this.path)
      // Node returns names in the order of their bytes, since libuv sorts them (uv_fs_scandir, measured on Node 20 to 26), but this isn't documented.
      return isSorted(names) ? names : names.sort()
    } catch (error) {
      if (isGone(error)) return []
      makeRoom(toSlocketError(error, 'list the queue', this.path))
      return this.names()
    }
  }

  /** Links the socket `member` as the ticket `name`. `no-links`: this file system cannot, as {@link hasLinks} says from now on. */
  link(member: string, name: string): 'linked' | 'gone' | 'no-links' {
    try {
      fs.linkSync(this.pathOfMember(member), `${this.path}/${name}`)
      return 'linked'
    } catch (error) {
      // EMLINK: as many tickets as one socket can have (65,000 on ext4); a new member has room again.
      if (isGone(error) || systemCode(error) === 'EMLINK') return 'gone'
      if (!NO_LINKS.has(systemCode(error) ?? '')) throw toSlocketError(error, 'join the queue', this.path)
      debug('%s: no hard links here; one socket for each ticket', this.path)
      this.hasLinks = false
      return 'no-links'
    }
  }

  /** Makes a listening socket among the members a ticket. Returns false if the socket is gone. */
  rename(member: string, name: string): boolean {
    try {
      fs.renameSync(this.pathOfMember(member), this.pathOf(name))
      return true
    } catch (error) {
      if (isGone(error)) return false
      if (systemCode(error) !== 'EXDEV') throw toSlocketError(error, 'join the queue', this.path)
      throw new SlocketError(
        'ERR_SLOCKET_NO_SOCKETS',
        `the file system cannot move a socket within '${this.path}' (EXDEV: one of several branches, perhaps); use a directory on another one`,
        { cause: error },
      )
    }
  }

  /** Adds a mark to a ticket. Returns false if that isn't possible: the ticket is gone, or the file system has no links. */
  mark(name: string, suffix: string): boolean {
    const ticket = `${this.path}/${name}`
    const mark = ticket + suffix
    const linked = this.hasLinks ? this.#mark(fs.linkSync, ticket, mark) : undefined
    return linked ?? this.#mark(fs.symlinkSync, name, mark) ?? false
  }

  /** Undefined if the mark cannot be made in this way. */
  #mark(make: (from: string, to: string) => void, from: string, to: string): boolean | undefined {
    try {
      make(from, to)
      return true
    } catch (error) {
      const code = systemCode(error) ?? ''
      if (code === 'EEXIST') return true
      if (isGone(error)) return false
      // EMLINK: the socket has as many links as it can have.
      if (code === 'EMLINK' || NO_LINKS.has(code)) return undefined
      throw toSlocketError(error, 'mark a ticket in', this.path)
    }
  }

  /** Removes a ticket from the queue. Returns false if it is already gone. */
  unlink(name: string): boolean {
    try {
      fs.unlinkSync(`${this.path}/${name}`)
      return true
    } catch (error) {
      if (isGone(error)) return false
      throw toSlocketError(error, 'leave the queue', this.path)
    }
  }

  /** Removes a dead ticket. Its marks go last: without them, it would be reported again, or as the ticket of an exclusive holder. */
  removeTicket(name: string): void {
    this.removeEntry(name)
    if (this.has(name)) return
    this.removeMark(name + DOWNGRADED)
    if (this.isShared) this.removeMark(name + REPORTED)
  }

  /** Removes a dead ticket that need not be reported from now on. If it is another user's and stays, it is marked as reported. */
  removeOrMark(name: string): void {
    this.removeTicket(name)
    if (!this.has(name)) return
    try {
      this.mark(name, REPORTED)
    } catch (error) {
      // The next holder is notified, too.
      if (!isSlocketError(error)) throw error
    }
  }

  override removeIfEmpty(): void {
    // Beside mkdir, what is left would keep `.members` there.
    if (this.isShared || this.isBesideMkdir) this.removeLoneMarks()
    super.removeIfEmpty()
  }

  /** Removes marks of tickets that are gone: the process that removed the ticket was killed before it removed the mark, or belongs to another user. */
  protected override removeLoneMarks(): void {
    let names: ReadonlySet<string>
    try {
      names = new Set(this.names())
    } catch (error) {
      // The removal isn't urgent.
      if (!isSlocketError(error)) throw error
      return
    }
    for (const name of names) {
      const ticket = markedBy(name)
      if (ticket === undefined || !isTicketName(ticket) || names.has(ticket)) continue
      // RACE: both may have been made while the names were read, and only the mark was seen.
      if (!this.has(ticket)) this.removeMark(name)
    }
  }

  /** Removes a mark, if it is one: anything else with that name stays. */
  removeMark(name: string): void {
    if (this.#lookAtMark(name) !== undefined) this.removeEntry(name)
  }

  /**
   * Whether a mark says that the holder of the ticket was downgraded. A mark of another user is ignored: it would let others hold beside a holder that relies
   * on being alone. False if that can't be found out.
   */
  isDowngraded(name: string): boolean {
    const mark = this.#lookAtMark(name + DOWNGRADED)
    if (mark === undefined) return false
    const ticket = lookAt(this.pathOf(name))
    // If the ticket is gone, no request holds by it.
    return ticket === undefined || ticket.uid === mark.uid
  }

  /** The entry with the name of a mark, if its kind is that of a mark. Undefined if it isn't, or can't be looked at. */
  #lookAtMark(name: string): fs.Stats | undefined {
    const stats = lookAt(this.pathOf(name))
    return stats !== undefined && (stats.isSymbolicLink() || witness.isOfKind(stats)) ? stats : undefined
  }

  /** Removes the member's files in `.members`, if the dead ticket is a link to that member's file. A ticket's name alone proves nothing. */
  removeDeadMember(file: string, ticket: string): void {
    const inode = inodeAt(this.pathOfMember(file))
    if (inode !== undefined && inode === this.inodeOf(ticket)) this.removeMemberFiles(file)
  }

  /** Removes a member's entries in `.members`: its file, and its socket, if that is a separate entry. */
  removeMemberFiles(file: string): void {
    const socket = witness.socketOf(file)
    if (socket !== file) this.#removeAt(this.pathOfMember(socket))
    this.#removeAt(this.pathOfMember(file))
  }

  /** Whether the entry has other hard links. */
  hasOtherNames(name: string): boolean {
    try {
      return (fs.lstatSync(this.pathOf(name), { throwIfNoEntry: false })?.nlink ?? 1) > 1
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return false
    }
  }

  /** Undefined if the entry is gone, or if its kind isn't that of a ticket or member. */
  inodeOf(name: string): number | undefined {
    return inodeAt(this.pathOf(name))
  }

  /** Removes a stale entry, or a mark. What another user left in a sticky directory stays. */
  removeEntry(name: string): void {
    this.#removeAt(`${this.path}/${name}`)
  }

  #removeAt(entry: string): void {
    try {
      fs.unlinkSync(entry)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  /** Whether the ticket is there. True if that can't be found out. */
  has(name: string): boolean {
    try {
      // It makes no `Stats`: 0.7 µs in place of 6.8, before V8 has optimized the function (Node 20). False for an error, too.
      if (existsSync(this.pathOf(name))) return true
      return fs.lstatSync(this.pathOf(name), { throwIfNoEntry: false }) !== undefined
    } catch (error) {
      return systemCode(error) !== 'ENOTDIR'
    }
  }

  /** Whether the entry isn't a ticket or member, whatever its name: on Linux, whether it isn't a socket. */
  isForeign(name: string): boolean {
    try {
      const stats = fs.lstatSync(this.pathOf(name), { throwIfNoEntry: false })
      return stats !== undefined && !witness.isOfKind(stats)
    } catch (error) {
      // It can't be looked at. A process that connects to it gets the same error, and reports it.
      if (systemCode(error) === undefined) throw error
      return false
    }
  }

  /** When the ticket was made or last touched, by the wall clock, in ms. Undefined if it is gone. */
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
      const now = wallNowMs() / 1000
      fs.lutimesSync(this.pathOf(name), now, now)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  memberNames(): string[] {
    try {
      return fs.readdirSync(this.pathOf(MEMBERS))
    } catch (error) {
      if (isGone(error)) return []
      makeRoom(toSlocketError(error, 'list the members of', this.path))
      return this.memberNames()
    }
  }
}

/** By itself, so that V8 optimizes this loop, and not all that is called to read a directory. */
function isSorted(names: readonly string[]): boolean {
  for (let index = 1; index < names.length; index += 1) if (names[index - 1]! > names[index]!) return false
  return true
}

function inodeAt(entry: string): number | undefined {
  const stats = lookAt(entry)
  return stats !== undefined && witness.isOfKind(stats) ? stats.ino : undefined
}

/** Undefined if nothing is there, or it can't be looked at. */
function lookAt(entry: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(entry, { throwIfNoEntry: false })
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}
