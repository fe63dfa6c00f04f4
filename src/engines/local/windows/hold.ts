/** The guards that one ticket has open. */
import fs from 'node:fs'
import { debug } from '../../../debug.ts'
import type { GuardRecord } from './guard-record.ts'
import { deadHolderOf, writeRecord } from './guard-record.ts'
import { closeQuietly } from './held-file.ts'

export class Hold {
  /** The record of the guard when this was opened. */
  readonly record: GuardRecord
  readonly #descriptors: number[]
  /** The name of a holder that has died, until a later holder has been notified. */
  #dead: string
  /** The guard that this hold has written its name to. Undefined if it shares. */
  #own: number | undefined
  #isGranted = false
  #isClosed = false

  constructor(descriptors: readonly number[], record: GuardRecord, own: number | undefined, found: GuardRecord) {
    this.#descriptors = [...descriptors]
    this.record = record
    this.#own = own
    this.#dead = deadHolderOf(found)
  }

  get descriptors(): readonly number[] {
    return this.#descriptors
  }

  /** It has one more guard open. */
  add(descriptor: number): void {
    this.#descriptors.push(descriptor)
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

  /** Gives up the guard that it has alone, and leaves a mark's name in it. @throws the system's error; then nothing has changed. */
  share(mark: string): void {
    if (this.#own === undefined) return
    writeRecord(this.#own, { ...this.record, holder: mark })
    const alone = this.#own
    this.#own = undefined
    this.#descriptors.splice(this.#descriptors.indexOf(alone), 1)
    fs.closeSync(alone)
  }

  /** Closes the guards, and leaves the name of the holder in them: another process has them open. */
  abandon(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const descriptor of this.#descriptors) closeQuietly(descriptor)
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
    for (const descriptor of this.#descriptors) closeQuietly(descriptor)
  }
}
