/** Removes what a dead member has left in the queues of a root. Its tickets may be in many, where nobody may come for a long time. */
import { systemCode } from '../../../errors.ts'
import { memberFile } from '../member.ts'
import { MEMBERS, parseTicketName, WAITS } from '../ticket-name.ts'
import { isHashed } from './name-coding.ts'
import type { RootDirectory } from './name-directory.ts'
import { NameDirectory } from './name-directory.ts'
import { HOLDER_MARKS } from './marks.ts'

const MARKS: readonly string[] = [WAITS, ...HOLDER_MARKS]

/**
 * @param file the name of the socket of a member that is dead for certain: nobody can be hurt, however late this happens.
 * @param inode that of the socket. Of any other socket, a name proves nothing.
 */
export function sweepRoot(root: RootDirectory, file: string, inode: number): void {
  try {
    for (const name of root.files()) sweepQueue(new NameDirectory(root, name), file, inode)
    for (const entry of root.memberNames()) {
      if (entry.endsWith(`.${file}`) && isHashed(entry.slice(0, -file.length - 1))) root.sweep(`${MEMBERS}/${entry}`)
    }
    if (root.inodeOf(`${MEMBERS}/${file}`) === inode) root.sweep(`${MEMBERS}/${file}`)
  } catch (error) {
    // Nobody needs it swept now; somebody may, who uses that name.
    if (systemCode(error) === undefined) throw error
  }
}

function sweepQueue(directory: NameDirectory, file: string, inode: number): void {
  let isEmpty = true
  for (const entry of directory.names()) {
    const mark = MARKS.find((suffix) => entry.endsWith(suffix)) ?? ''
    const name = mark === '' ? entry : entry.slice(0, -mark.length)
    const ticket = parseTicketName(name)
    const isDead = ticket !== undefined && memberFile(ticket.member, ticket.pid) === file
    if (isDead && directory.inodeOf(entry) === inode) directory.sweepTicket(name)
    else if (!isDead) isEmpty = false
  }
  if (isEmpty) directory.removeIfEmpty()
}
