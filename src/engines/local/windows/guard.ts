/**
 * The guards of a lock: files that the kernel keeps exclusive. The holder of the lock has them open, so two never hold, whatever the queue
 * says. They also keep what has to outlive a holder.
 *
 *     guard        open alone by an exclusive holder; open together by shared holders, and by holders of a permit
 *     guard-K      open alone by the holder of one of N permits, K from 1 to N
 *
 *  1. A guard is opened when the queue shows that it is the ticket's turn, and closed before the ticket leaves.
 *  2. Its content, the record, names the holder until the holder releases. So the next holder finds the name of a holder that died.
 *  3. A guard is removed only by an open without sharing: nobody else has that file open then.
 *  4. An exclusive holder that is downgraded can't have the guard shared before it has closed it. So it first writes the name of its mark into it: a process that has the
 *     guard alone, and finds the name of a mark there, doesn't hold while the ticket of that name is open, which it is until the downgraded holder releases.
 *  5. A request for permits takes the highest guards that are free, so that requests with other numbers find theirs: docs/decisions/0017-several-permits.md.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Claim, PermitClaim } from '../../../core/claim.ts'
import { systemCode } from '../../../errors.ts'
import { debug } from '../../../debug.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { markedBy } from '../ticket-name.ts'
import type { GuardRecord } from './guard-record.ts'
import { bootNsNow, isStale, readRecord, UNKNOWN_HOLDER, writeRecord } from './guard-record.ts'
import { isDenied, OPEN, probe } from './held-file.ts'
import { Hold } from './hold.ts'

const GUARD = 'guard'
const GUARD_NAME = /^guard(?:-[1-9]\d{0,6})?$/

/** Whether a name in a lock's directory is that of a guard. */
export function isGuardName(name: string): boolean {
  return GUARD_NAME.test(name)
}

/** The guards of one lock. */
export class Guards {
  /** Whether slocket is known to have made the directory. */
  isMadeHere = false
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Makes the first guard if it is missing, and reads from it whether slocket made the directory. @throws DirectoryDenied; what a system error means. */
  prepare(): void {
    const descriptor = this.#open(GUARD, OPEN.alone)
    // Busy: somebody holds the lock, so the guard is there.
    if (descriptor === undefined) return
    try {
      this.#readOrBegin(descriptor)
    } finally {
      fs.closeSync(descriptor)
    }
  }

  /** Writes into the first guard that slocket made the directory, if that is known here and the guard is there. */
  recordMadeHere(): void {
    if (!this.isMadeHere) return
    try {
      const descriptor = this.#open(GUARD, OPEN.aloneIfThere)
      if (descriptor === undefined) return
      try {
        this.#readOrBegin(descriptor)
      } finally {
        fs.closeSync(descriptor)
      }
    } catch (error) {
      // Then an empty directory stays.
      debug('%s: that slocket made it cannot be written down: %s', this.#directory, error)
    }
  }

  /**
   * Opens the guards that a holder with this claim has open. Undefined if another process has them open.
   *
   * @param names what the last listing of the directory showed.
   */
  take(claim: Claim, ticket: string, names: readonly string[]): Hold | undefined {
    switch (claim.kind) {
      case 'exclusive':
        return this.#takeAlone(ticket)
      case 'shared':
        return this.#takeTogether()
      case 'permit':
        return this.#takePermits(claim, ticket, names)
    }
  }

  /**
   * Turns the hold of an exclusive holder into a shared one; nobody else holds exclusively in between.
   *
   * @param mark the name of its ticket's mark.
   * @throws what a system error means: then nothing has changed.
   */
  share(hold: Hold, mark: string): void {
    try {
      hold.share(mark)
    } catch (error) {
      throw toSlocketError(error, 'downgrade', this.#directory)
    }
    try {
      // From now on nobody can remove the guard. If somebody has it open alone at this moment, the name in it is enough.
      const together = this.#open(GUARD, OPEN.together)
      if (together !== undefined) hold.add(together)
    } catch (error) {
      debug('%s: the guard of a downgraded holder is not open: %s', this.#directory, error)
    }
  }

  /**
   * Removes the guards. To be called while an exclusive ticket of this process has its turn.
   *
   * @returns false if a guard is in use, or keeps the name of a holder that has died.
   */
  remove(names: readonly string[]): boolean {
    // The first one last: it has the record that says who made the directory.
    for (const name of names.filter(isGuardName).sort().reverse()) {
      if (this.#hasTrace(name) || !this.#removeOne(name)) return false
    }
    return true
  }

  /** True also if that can't be seen. */
  #hasTrace(name: string): boolean {
    const descriptor = this.#open(name, OPEN.alone)
    if (descriptor === undefined) return true
    try {
      const record = readRecord(descriptor)
      this.isMadeHere ||= record?.isMadeHere === true
      if (record === undefined) return false
      return markedBy(record.holder) === undefined ? record.holder !== '' : this.#isShared(record)
    } finally {
      fs.closeSync(descriptor)
    }
  }

  #removeOne(name: string): boolean {
    try {
      fs.closeSync(fs.openSync(path.join(this.#directory, name), OPEN.remove))
      return true
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      return isGone(error)
    }
  }

  #takeAlone(ticket: string): Hold | undefined {
    const descriptor = this.#open(GUARD, OPEN.alone)
    return descriptor === undefined ? undefined : this.#holdBy(descriptor, ticket)
  }

  /**
   * Undefined if a downgraded holder has the lock.
   *
   * @param together what the holder has open besides.
   */
  #holdBy(descriptor: number, ticket: string, together?: Hold): Hold | undefined {
    try {
      const record = this.#readOrBegin(descriptor)
      if (this.#isShared(record)) {
        fs.closeSync(descriptor)
        return undefined
      }
      const own = { ...record, bootNs: together?.record.bootNs ?? record.bootNs, holder: ticket }
      writeRecord(descriptor, own)
      return new Hold([descriptor, ...(together?.descriptors ?? [])], own, descriptor, record)
    } catch (error) {
      fs.closeSync(descriptor)
      throw toSlocketError(error, 'hold', this.#directory)
    }
  }

  /** Whether a downgraded holder has the lock. It may not have the guard open. */
  #isShared({ holder }: GuardRecord): boolean {
    const ticket = markedBy(holder)
    return ticket !== undefined && probe(path.join(this.#directory, ticket)) === 'open'
  }

  #takeTogether(): Hold | undefined {
    const first = this.#openTogether()
    if (first === undefined || (first !== 'unfit' && !isStale(first.record))) return first
    // Only a process that has it alone may write to it.
    if (first !== 'unfit') first.close()
    this.prepare()
    const second = this.#openTogether()
    return second === 'unfit' ? undefined : second
  }

  /** `unfit`: there is no record yet. */
  #openTogether(): Hold | 'unfit' | undefined {
    const descriptor = this.#open(GUARD, OPEN.together)
    if (descriptor === undefined) return undefined
    let record: GuardRecord | undefined
    try {
      record = readRecord(descriptor)
    } finally {
      if (record === undefined) fs.closeSync(descriptor)
    }
    if (record === undefined) return 'unfit'
    this.isMadeHere ||= record.isMadeHere
    return new Hold([descriptor], record, undefined, record)
  }

  /** The highest guards that are free, as many as are to be taken; and looks at all others that are free, since their holders may have died. */
  #takePermits({ permits, take }: PermitClaim, ticket: string, names: readonly string[]): Hold | undefined {
    const together = this.#takeTogether()
    let hold: Hold | undefined
    try {
      let missing = together === undefined ? 0 : take
      let number = permits
      for (; missing > 0 && number > 0; number -= 1) {
        const descriptor = this.#open(`${GUARD}-${number}`, OPEN.alone)
        if (descriptor === undefined) continue
        if (hold === undefined) hold = this.#holdBy(descriptor, ticket, together)
        else addTo(hold, descriptor)
        missing -= 1
      }
      if (missing > 0 || hold === undefined) {
        ;(hold ?? together)?.close()
        return undefined
      }
      for (const other of names.map(numberOf)) {
        if (other === 0 || (other > number && other <= permits)) continue
        const descriptor = this.#open(`${GUARD}-${other}`, OPEN.alone)
        if (descriptor !== undefined) hold.inherit(takeTrace(descriptor))
      }
      return hold
    } catch (error) {
      ;(hold ?? together)?.close()
      throw error
    }
  }

  /** Undefined if the file is open elsewhere in a way that excludes this one. @throws DirectoryDenied; what a system error means. */
  #open(name: string, flags: number): number | undefined {
    try {
      return fs.openSync(path.join(this.#directory, name), flags)
    } catch (error) {
      if (systemCode(error) === 'EBUSY') return undefined
      throw isDenied(error) || isGone(error)
        ? new DirectoryDenied(toSlocketError(error, 'hold', this.#directory))
        : toSlocketError(error, 'hold', this.#directory)
    }
  }

  /** Of a guard that this process has alone: brings its record up to date, too. */
  #readOrBegin(descriptor: number): GuardRecord {
    const found = readRecord(descriptor)
    this.isMadeHere ||= found?.isMadeHere === true
    if (found !== undefined && !isStale(found) && found.isMadeHere === this.isMadeHere) return found
    const holder = found?.holder ?? (fs.fstatSync(descriptor).size > 0 ? UNKNOWN_HOLDER : '')
    const bootNs = found === undefined || isStale(found) ? bootNsNow() : found.bootNs
    const record = { isMadeHere: this.isMadeHere, bootNs, holder }
    writeRecord(descriptor, record)
    return record
  }
}

/** For how long the directory may refuse what it has to allow before that is an error, in ms: it may be about to vanish, or be looked at by a scanner. */
export const DENIED_MS = 1000

/** Thrown if the lock's directory, or a file in it, is about to vanish, or this user may not use it. Only time tells the two apart. */
export class DirectoryDenied extends Error {
  /** @param cause what to report if it goes on. */
  constructor(cause: Error) {
    super('the lock directory cannot be used', { cause })
  }
}

function numberOf(name: string): number {
  return isGuardName(name) ? Number(name.slice(GUARD.length + 1)) : 0
}

/** The hold has one more guard alone, and is notified if its holder has died. */
function addTo(hold: Hold, descriptor: number): void {
  hold.add(descriptor)
  hold.inherit(dropTrace(descriptor))
}

/** Takes the name of a holder that has died out of a guard, and closes the guard. */
function takeTrace(descriptor: number): string {
  try {
    return dropTrace(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

function dropTrace(descriptor: number): string {
  const record = readRecord(descriptor)
  if (record === undefined || record.holder === '') return ''
  writeRecord(descriptor, { ...record, holder: '' })
  return record.holder
}
