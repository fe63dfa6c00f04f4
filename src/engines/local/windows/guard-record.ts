/** What a guard of a lock on Windows keeps: one line of ASCII. */
import fs from 'node:fs'
import { monotonicNowNs, wallNowMs } from '../../../real-time.ts'
import { markedBy } from '../ticket-name.ts'

export interface GuardRecord {
  /** Whether slocket made the lock's directory. */
  readonly isMadeHere: boolean
  /** The moment when this machine booted, by the wall clock, in ns, as the first user of the directory saw it: what tokens begin with. */
  readonly bootNs: bigint
  /**
   * The name of the ticket that holds, or has died holding. Empty if none does. The name of the ticket's mark, if its holder was downgraded: then it
   * shares for as long as the ticket is open, and died without breaking anything if it isn't.
   */
  readonly holder: string
}

const RECORD = /^slocket\/2 ([01]) (\d{20}) ([0-9a-z.-]*) *\n$/
const HOLDER_BYTES = 72
const RECORD_BYTES = 10 + 2 + 21 + HOLDER_BYTES + 1
/** In the place of the name of a holder, if the record can't be read. */
export const UNKNOWN_HOLDER = 'unknown'
/** How far the wall clock may be ahead of a record before the record counts as one of an earlier boot, in ns. */
const STALE_NS = 1_000_000_000n

/** Undefined if the file has none. */
export function readRecord(descriptor: number): GuardRecord | undefined {
  const buffer = Buffer.allocUnsafe(RECORD_BYTES)
  const bytes = fs.readSync(descriptor, buffer, 0, RECORD_BYTES, 0)
  const match = RECORD.exec(buffer.toString('latin1', 0, bytes))
  return match === null ? undefined : { isMadeHere: match[1] === '1', bootNs: BigInt(match[2]!), holder: match[3]! }
}

export function writeRecord(descriptor: number, { isMadeHere, bootNs, holder }: GuardRecord): void {
  const boot = String(bootNs).padStart(20, '0')
  const text = `slocket/2 ${isMadeHere ? 1 : 0} ${boot} ${holder.padEnd(HOLDER_BYTES)}\n`
  fs.writeSync(descriptor, text, 0, 'latin1')
}

/** Whether the record is of an earlier boot, or the wall clock was set forward since: then tokens would be too small. */
export function isStale({ bootNs }: GuardRecord): boolean {
  return bootNsNow() > bootNs + STALE_NS
}

export function bootNsNow(): bigint {
  return BigInt(wallNowMs()) * 1_000_000n - monotonicNowNs()
}

/** The holder that has died, if nobody has the guard open: the next holder is notified. Empty if there is none. */
export function deadHolderOf({ holder }: GuardRecord): string {
  return markedBy(holder) === undefined ? holder : ''
}
