/**
 * The directory of a lock on Windows. Each function here is one synchronous step of the file system.
 *
 *     PATH\2-…         tickets, as on Linux: `dir` shows the queue in its order (ticket-name.ts)
 *     PATH\2-…-d       the mark of a ticket: its holder was downgraded, and shares. Its owner has it open in the same way as the ticket
 *     PATH\guard…      what excludes: guard.ts
 *
 * Slocket removes the directory when nobody needs it any more, if it has made it.
 */
import fs from 'node:fs'
import path from 'node:path'
import { makeRoom } from '../../../requests/idle.ts'
import type { Obstacle } from '../../../requests/obstacle.ts'
import { refuseObstacle } from '../../../requests/obstacle.ts'
import { printable, SlocketError, systemCode } from '../../../errors.ts'
import { wallNowMs } from '../../../real-time.ts'
import { describeObstacle, obstacleBy } from '../occupant/obstacle.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { DOWNGRADED, isTicketName, looksLikeTicket } from '../ticket-name.ts'
import { DirectoryDenied, Guards, isGuardName } from './guard.ts'
import type { Found } from './held-file.ts'
import { isDenied, OPEN, probe } from './held-file.ts'
import { refuseNetwork } from './network.ts'

/** In the directory of a named lock: the file that has the name. */
export const NAME_FILE = 'name'

/** What is different about the directory of a named lock. */
export interface NamedDirectory {
  /** The name, as it is written down. */
  readonly text: Uint8Array
  /** Makes the directory above if it is missing. */
  prepare(): void
  /** The directory was removed. */
  onRemoved(): void
}

/** What is special about a lock's directory. */
export interface DirectoryOptions {
  readonly named?: NamedDirectory | undefined
  /** If another tool makes its locks here by `mkdir`: the age in ms after which such a lock counts as abandoned. */
  readonly mkdirStaleMs?: number | undefined
}

/** How long an empty directory may count as a directory that slocket is still creating, in ms. */
const MAKING_MS = 50
/** How often the directory may vanish between two steps (its last user left) before that is an error. */
const MOST_TRIES = 1000

export class WindowsDirectory {
  readonly path: string
  readonly guards: Guards
  readonly #named: NamedDirectory | undefined
  readonly #mkdirStaleMs: number | undefined

  constructor(directory: string, { named, mkdirStaleMs }: DirectoryOptions = {}) {
    this.path = directory
    this.#named = named
    this.#mkdirStaleMs = mkdirStaleMs
    this.guards = new Guards(directory)
  }

  /**
   * Makes what is missing. `foreign`: something that counts as somebody else's lock is in its place.
   *
   * @throws DirectoryDenied; ERR_SLOCKET_NOT_A_LOCK; what a system error means.
   */
  open(): 'open' | 'foreign' {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const stats = this.#look()
      if (stats?.isDirectory() === false) {
        refuseObstacle(obstacleBy(stats, this.path))
        return 'foreign'
      }
      if (stats === undefined) this.#make()
      else if (this.#isMkdirLock(stats)) {
        // RACE: slocket makes a directory, and then what is in it.
        if (wallNowMs() - stats.birthtimeMs > MAKING_MS) return 'foreign'
        throw new DirectoryDenied(new SlocketError('ERR_SLOCKET_SYSTEM', `'${this.path}' stays empty`))
      } else {
        refuseNetwork(this.path)
        refuseObstacle(this.#otherContent())
      }
      if (this.#prepareGuards()) return 'open'
    }
    throw new SlocketError('ERR_SLOCKET_SYSTEM', `the lock directory '${this.path}' vanishes again and again`)
  }

  /** What is in the way of the lock. Undefined if nothing is. @throws what a system error means. */
  obstacle(): Obstacle | undefined {
    const stats = this.#look()
    if (stats === undefined) return undefined
    if (!stats.isDirectory()) return obstacleBy(stats, this.path)
    return this.#isMkdirLock(stats) ? describeObstacle('mkdir-lock', this.path) : this.#otherContent()
  }

  /** What is in it, in the order of the names: tickets in the order of the queue. Empty if the directory is gone, or about to go. */
  names(): string[] {
    try {
      return fs.readdirSync(this.path).sort()
    } catch (error) {
      if (isGone(error) || isDenied(error)) return []
      makeRoom(toSlocketError(error, 'list the queue', this.path))
      return this.names()
    }
  }

  /** Writes down the name of a named lock, if the last listing did not show that file. */
  keepName(names: readonly string[]): void {
    if (this.#named === undefined || names.includes(NAME_FILE)) return
    try {
      fs.writeFileSync(this.#pathOf(NAME_FILE), this.#named.text)
    } catch (error) {
      throw toSlocketError(error, 'write down a name in', this.path)
    }
  }

  /** Removes it. */
  dropName(): void {
    if (this.#named !== undefined) this.removeEntry(NAME_FILE)
  }

  /** Makes a ticket, and returns the descriptor that keeps it there. Undefined if the directory is gone. @throws DirectoryDenied. */
  makeTicket(name: string): number | undefined {
    try {
      return fs.openSync(this.#pathOf(name), OPEN.ticket)
    } catch (error) {
      if (isGone(error)) return undefined
      const failure = toSlocketError(error, 'join the queue', this.path)
      throw isDenied(error) ? new DirectoryDenied(failure) : failure
    }
  }

  /** Makes the mark of a ticket whose holder is downgraded, and returns the descriptor that keeps it there. @throws what a system error means. */
  makeMark(name: string): number {
    try {
      return fs.openSync(this.#pathOf(name + DOWNGRADED), OPEN.ticket)
    } catch (error) {
      makeRoom(toSlocketError(error, 'downgrade', this.path))
      return this.makeMark(name)
    }
  }

  /** Whether the holder of a ticket was downgraded. A mark that nobody has open says nothing. */
  isDowngraded(name: string): boolean {
    return this.probe(name + DOWNGRADED) === 'open'
  }

  /** Removes marks that a machine has left which lost its power. */
  removeMarks(names: readonly string[]): void {
    for (const name of names) if (isMark(name)) this.removeEntry(name)
  }

  /** See {@link probe}, of a ticket or its mark. */
  probe(name: string): Found {
    try {
      return probe(this.#pathOf(name))
    } catch (error) {
      makeRoom(toSlocketError(error, 'look at a ticket of', this.path))
      return this.probe(name)
    }
  }

  /** Whether an own ticket is there. */
  has(name: string): boolean {
    try {
      return fs.lstatSync(this.#pathOf(name), { throwIfNoEntry: false }) !== undefined
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return !isGone(error)
    }
  }

  /** Removes the ticket of a process that has died, or its mark. If somebody else is about to, or this user may not, nothing happens. */
  removeEntry(name: string): void {
    try {
      fs.unlinkSync(this.#pathOf(name))
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  /** Removes the directory if it is empty, and slocket has made it. */
  removeIfEmpty(): void {
    if (!this.guards.isMadeHere) return
    try {
      fs.rmdirSync(this.path)
      this.guards.isMadeHere = false
      this.#named?.onRemoved()
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      // RACE: somebody has come since the guard was removed, and has made another one without knowing who made the directory.
      if (systemCode(error) === 'ENOTEMPTY') this.guards.recordMadeHere()
    }
  }

  #look(): fs.Stats | undefined {
    try {
      return fs.lstatSync(this.path, { throwIfNoEntry: false })
    } catch (error) {
      const failure = toSlocketError(error, 'look at', this.path)
      throw isDenied(error) ? new DirectoryDenied(failure) : failure
    }
  }

  /** Whether it is an empty directory that another tool keeps fresh. An abandoned one becomes slocket's. */
  #isMkdirLock(stats: fs.Stats): boolean {
    if (this.#mkdirStaleMs === undefined || this.guards.isMadeHere || this.names().length > 0) return false
    if (stats.mtimeMs >= wallNowMs() - this.#mkdirStaleMs) return true
    this.guards.isMadeHere = true
    return false
  }

  #make(): void {
    this.#named?.prepare()
    refuseNetwork(path.dirname(this.path))
    try {
      fs.mkdirSync(this.path)
      this.guards.isMadeHere = true
    } catch (error) {
      // RACE: the last user of the root has just removed it.
      if (systemCode(error) === 'EEXIST' || (this.#named !== undefined && isGone(error))) return
      const failure = toSlocketError(error, 'make the lock directory', this.path)
      throw isDenied(error) ? new DirectoryDenied(failure) : failure
    }
  }

  /** False if the directory has vanished. */
  #prepareGuards(): boolean {
    if (this.#look() === undefined) return false
    try {
      this.guards.prepare()
      return true
    } catch (error) {
      if (error instanceof DirectoryDenied && this.#look() === undefined) return false
      throw error
    }
  }

  #otherContent(): Obstacle | undefined {
    let other: string | undefined
    try {
      const entries = fs.readdirSync(this.path, { withFileTypes: true })
      other = entries.find((entry) => !entry.isFile() || !this.#isOfLock(entry.name))?.name
    } catch (error) {
      if (isGone(error) || isDenied(error)) return undefined
      throw toSlocketError(error, 'read', this.path)
    }
    if (other === undefined) return undefined
    const message =
      looksLikeTicket(other) && !isTicketName(other)
        ? `the lock '${this.path}' is in use by another version of slocket`
        : `'${this.path}' is a directory with other content ('${printable(other)}'), not a lock; nothing in it was touched. Use a path next to it, such as '${this.path}.lock'`
    return { kind: 'directory', message }
  }

  #isOfLock(name: string): boolean {
    if (isGuardName(name) || isTicketName(name) || isMark(name)) return true
    return this.#named !== undefined && name === NAME_FILE
  }

  #pathOf(name: string): string {
    return path.join(this.path, name)
  }
}

function isMark(name: string): boolean {
  return name.endsWith(DOWNGRADED) && isTicketName(name.slice(0, -DOWNGRADED.length))
}
