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
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Claim } from '../../../core/claim.ts'
import { systemCode } from '../../../errors.ts'
import { debug } from '../../../debug.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { monotonicNowNs, wallNowMs } from '../../../real-time.ts'
import { isDenied, OPEN } from './held-file.ts'

const GUARD = 'guard'
const GUARD_NAME = /^guard(?:-[1-9]\d{0,6})?$/

/** Whether a name in a lock's directory is that of a guard. */
export function isGuardName(name: string): boolean {
  return GUARD_NAME.test(name)
}

/** What a guard keeps: one line of ASCII. */
interface GuardRecord {
  /** Whether slocket made the lock's directory. */
  readonly isMadeHere: boolean
  /** The moment when this machine booted, by the wall clock, in ns, as the first user of the directory saw it: what tokens begin with. */
  readonly bootNs: bigint
  /** The name of the ticket that holds, or has died holding. Empty if none does. */
  readonly holder: string
}

const RECORD = /^slocket\/2 ([01]) (\d{20}) ([0-9a-z-]*) *\n$/
const HOLDER_BYTES = 72
const RECORD_BYTES = 10 + 2 + 21 + HOLDER_BYTES + 1
/** In the place of the name of a holder, if the record can't be read. */
const UNKNOWN_HOLDER = 'unknown'
/** How far the wall clock may be ahead of a record before the record counts as one of an earlier boot, in ns. */
const STALE_NS = 1_000_000_000n

/** The guards of one lock. */
export class Guards {
  /** Whether slocket is known to have made the directory. */
  isMadeHere = false
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Makes the first guard if it is missing, and learns whether slocket made the directory. @throws DirectoryDenied; what a system error means. */
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
  tellMadeHere(): void {
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
   * Opens what a holder with this claim has open. Undefined if that is open elsewhere.
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
        return this.#takePermit(claim.permits, ticket, names)
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
      return record !== undefined && record.holder !== ''
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

  /** @param together what the holder has open besides. */
  #holdBy(descriptor: number, ticket: string, together?: Hold): Hold {
    try {
      const record = this.#readOrBegin(descriptor)
      const own = { ...record, bootNs: together?.record.bootNs ?? record.bootNs, holder: ticket }
      writeRecord(descriptor, own)
      return new Hold([descriptor, ...(together?.descriptors ?? [])], own, descriptor, record.holder)
    } catch (error) {
      fs.closeSync(descriptor)
      throw toSlocketError(error, 'hold', this.#directory)
    }
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
    return new Hold([descriptor], record, undefined, record.holder)
  }

  /** The lowest guard that is free; and looks at all others that are, since their holders may have died. */
  #takePermit(permits: number, ticket: string, names: readonly string[]): Hold | undefined {
    const together = this.#takeTogether()
    if (together === undefined) return undefined
    let hold: Hold | undefined
    try {
      const highest = names.reduce((most, name) => Math.max(most, numberOf(name)), 0)
      for (let number = 1; number <= permits; number += 1) {
        if (hold !== undefined && number > highest) break
        const descriptor = this.#open(`${GUARD}-${number}`, OPEN.alone)
        if (descriptor === undefined) continue
        if (hold === undefined) hold = this.#holdBy(descriptor, ticket, together)
        else hold.inherit(takeTrace(descriptor))
      }
    } catch (error) {
      if (hold === undefined) together.close()
      else hold.close()
      throw error
    }
    if (hold === undefined) together.close()
    return hold
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

/** The guards that one ticket has open. */
export class Hold {
  readonly descriptors: readonly number[]
  /** The name of a holder that has died, until a later holder has been notified. */
  #dead: string
  /** The record of the guard when this was opened. */
  readonly record: GuardRecord
  /** The guard that this hold has written its name to. Undefined if it shares. */
  readonly #own: number | undefined
  #isGranted = false
  #isClosed = false

  constructor(descriptors: readonly number[], record: GuardRecord, own: number | undefined, dead: string) {
    this.descriptors = descriptors
    this.record = record
    this.#own = own
    this.#dead = dead
  }

  /** Another holder has died, whose name was removed from its guard. */
  inherit(dead: string): void {
    if (dead !== '') this.#dead = dead
  }

  /** Whether an earlier holder has died. Of shared holders, each is notified; of others, the first that holds by this ticket. */
  grant(): boolean {
    this.#isGranted = true
    const isRecovered = this.#dead !== ''
    if (this.#own !== undefined) this.#dead = ''
    return isRecovered
  }

  /** Closes the guards, and leaves the name of the holder in them: another process has them open. */
  abandon(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const descriptor of this.descriptors) fs.closeSync(descriptor)
  }

  /** Closes the guards. If nobody was granted the lock, the next holder is notified of what this one would have been notified of. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    try {
      if (this.#own !== undefined) writeRecord(this.#own, { ...this.record, holder: this.#isGranted ? '' : this.#dead })
    } catch (error) {
      // The next holder is notified of a death that did not happen.
      debug('a guard cannot be written to: %s', error)
    }
    for (const descriptor of this.descriptors) fs.closeSync(descriptor)
  }
}

function numberOf(name: string): number {
  return isGuardName(name) ? Number(name.slice(GUARD.length + 1)) : 0
}

/** Takes the name of a holder that has died out of a guard, and closes the guard. */
function takeTrace(descriptor: number): string {
  try {
    const record = readRecord(descriptor)
    if (record === undefined || record.holder === '') return ''
    writeRecord(descriptor, { ...record, holder: '' })
    return record.holder
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Undefined if the file has none. */
function readRecord(descriptor: number): GuardRecord | undefined {
  const buffer = Buffer.allocUnsafe(RECORD_BYTES)
  const bytes = fs.readSync(descriptor, buffer, 0, RECORD_BYTES, 0)
  const match = RECORD.exec(buffer.toString('latin1', 0, bytes))
  return match === null ? undefined : { isMadeHere: match[1] === '1', bootNs: BigInt(match[2]!), holder: match[3]! }
}

function writeRecord(descriptor: number, { isMadeHere, bootNs, holder }: GuardRecord): void {
  const boot = String(bootNs).padStart(20, '0')
  const text = `slocket/2 ${isMadeHere ? 1 : 0} ${boot} ${holder.padEnd(HOLDER_BYTES)}\n`
  fs.writeSync(descriptor, text, 0, 'latin1')
}

/** Whether the record is of an earlier boot, or the wall clock was set forward since: then tokens would be too small. */
function isStale({ bootNs }: GuardRecord): boolean {
  return bootNsNow() > bootNs + STALE_NS
}

function bootNsNow(): bigint {
  return BigInt(wallNowMs()) * 1_000_000n - monotonicNowNs()
}
