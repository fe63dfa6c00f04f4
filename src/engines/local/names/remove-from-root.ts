/** Removes what a dead member has left in the queues of a root. Its tickets may be in many queues, which may not be used for a long time. */
import { systemCode } from '../../../errors.ts'
import { memberFile } from '../members/member.ts'
import { MEMBERS, parseTicketName } from '../ticket-name.ts'
import { isHashed } from './name-coding.ts'
import type { RootDirectory } from './name-directory.ts'
import { NameDirectory } from './name-directory.ts'
import { withoutMark } from './marks.ts'

/**
 * Finds what a member has left: its tickets, and the entries of its long names.
 *
 * @param file the name of its socket.
 * @param inode the inode of the socket. A name of any other socket proves nothing.
 * @returns a function that removes exactly these. If the member is certainly dead, calling it does no harm, however late.
 */
export function collectOf(root: RootDirectory, file: string, inode: number): () => void {
  const removals = root.files().map((name) => collectInQueue(new NameDirectory(root, name), file, inode))
  const entries = root
    .memberNames()
    .filter((entry) => entry.endsWith(`.${file}`) && isHashed(entry.slice(0, -file.length - 1)))
  return () => {
    for (const remove of removals) remove()
    for (const entry of entries) root.removeEntry(`${MEMBERS}/${entry}`)
  }
}

/** @param file as for `collectOf`, and so is `inode`; the member must have been dead before this call. */
export function removeFromRoot(root: RootDirectory, file: string, inode: number): void {
  try {
    collectOf(root, file, inode)()
    if (root.inodeOf(`${MEMBERS}/${file}`) === inode) root.removeMemberFiles(file)
  } catch (error) {
    // The cleanup isn't urgent; a later user of that name repeats it.
    if (systemCode(error) === undefined) throw error
  }
}

function collectInQueue(directory: NameDirectory, file: string, inode: number): () => void {
  const dead = new Set<string>()
  /** Tickets that have sockets of their own, or had, with marks that are symbolic links. */
  const others = new Set<string>()
  let isLeftEmpty = true
  for (const entry of directory.names()) {
    const name = withoutMark(entry)
    const ticket = parseTicketName(name)
    const isOfMember = ticket !== undefined && memberFile(ticket.member, ticket.pid) === file
    if (isOfMember && directory.inodeOf(entry) === inode) dead.add(name)
    else if (isOfMember) others.add(name)
    else isLeftEmpty = false
  }
  return () => {
    for (const name of dead) directory.removeTicket(name)
    for (const name of others) directory.removeLoneMarksOf(name)
    if (isLeftEmpty) directory.removeIfEmpty()
  }
}
