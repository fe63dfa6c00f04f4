/**
 * A directory with anything in it that is not of a lock is somebody else's, and nothing in it is touched. Looked at by all who
 * come; what appears later is stepped over by those who are in the queue.
 */
import fs from 'node:fs'
import { printable, SlocketError } from '../../errors.ts'
import { isGone, toSlocketError } from './system-error.ts'
import { looksLikeTicket, markedBy, MEMBERS, parseTicketName } from './ticket-name.ts'

/** Throws ERR_SLOCKET_NOT_A_LOCK where the directory holds anything that is not of a lock. */
export function refuseOtherContent(directory: string): void {
  let entries: fs.Dirent[]
  try {
    entries = fs.readdirSync(directory, { withFileTypes: true })
  } catch (error) {
    if (isGone(error)) return
    throw toSlocketError(error, 'read', directory)
  }
  const other = entries.find((entry) => !isOfLock(entry))?.name
  if (other === undefined) return
  throw new SlocketError(
    'ERR_SLOCKET_NOT_A_LOCK',
    looksLikeTicket(other) && parseTicketName(markedBy(other) ?? other) === undefined
      ? `the lock '${directory}' is in use by another version of slocket`
      : `'${directory}' is a directory with other content ('${printable(other)}'), not a lock; nothing in it was touched`,
  )
}

/** By name and kind: `.members`, a ticket, or a mark (a symbolic link where there are no hard ones). */
function isOfLock(entry: fs.Dirent): boolean {
  if (entry.name === MEMBERS) return true
  const marked = markedBy(entry.name)
  if (marked === undefined) return entry.isSocket() && parseTicketName(entry.name) !== undefined
  return (entry.isSocket() || entry.isSymbolicLink()) && parseTicketName(marked) !== undefined
}
