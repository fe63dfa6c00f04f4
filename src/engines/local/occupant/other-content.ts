/**
 * A directory that contains anything that doesn't belong to a lock is somebody else's, and nothing in it is touched. Each request checks this
 * when it comes; requests in the queue ignore what appears later.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Obstacle } from '../../../requests/obstacle.ts'
import { refuseObstacle } from '../../../requests/obstacle.ts'
import { printable } from '../../../errors.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { witness } from '../platform/witness.ts'
import { isTicketName, looksLikeTicket, markedBy, MEMBERS } from '../ticket-name.ts'

/** Throws ERR_SLOCKET_NOT_A_LOCK if the directory contains anything that doesn't belong to a lock. */
export function refuseOtherContent(directory: string): void {
  refuseObstacle(otherContentOf(directory))
}

/** Undefined if the directory contains only what belongs to a lock, or is gone. @throws what a system error means. */
export function otherContentOf(directory: string): Obstacle | undefined {
  let other: string | undefined
  try {
    const entries = fs.readdirSync(directory, { withFileTypes: true })
    other = entries.find((entry) => !isOfLock(directory, entry))?.name
  } catch (error) {
    if (isGone(error)) return undefined
    throw toSlocketError(error, 'read', directory)
  }
  if (other === undefined) return undefined
  const message =
    looksLikeTicket(other) && !isTicketName(markedBy(other) ?? other)
      ? `the lock '${directory}' is in use by another version of slocket`
      : `'${directory}' is a directory with other content ('${printable(other)}'), not a lock; nothing in it was touched. Use a path next to it, such as '${directory}.lock'`
  return { kind: 'directory', message }
}

/** Decides by name and kind: `.members`, a ticket, or a mark (a symbolic link if there are no hard links). */
function isOfLock(directory: string, entry: fs.Dirent): boolean {
  const { name } = entry
  // There may be thousands of tickets.
  if (isTicketName(name)) return isOfTicket(directory, entry)
  if (name === MEMBERS) return entry.isDirectory()
  const marked = markedBy(name)
  return marked !== undefined && isTicketName(marked) && (entry.isSymbolicLink() || isOfTicket(directory, entry))
}

/** Decides by kind. Deno's `Dirent` only knows files, directories and links, and reports a socket as none of them (2.9.6). */
function isOfTicket(directory: string, entry: fs.Dirent): boolean {
  if (witness.kind === 'socket' && entry.isSocket()) return true
  const stats = fs.lstatSync(path.join(directory, entry.name), { throwIfNoEntry: false })
  return stats === undefined || witness.isOfKind(stats)
}
