/** The address at which to connect to the owner of a ticket: the ticket, if that is a socket; otherwise the socket of its member. */
import { dirname } from 'node:path'
import type { QueueDirectory } from '../directory.ts'
import { witness } from '../platform/witness.ts'
import type { ListedTicket } from '../ticket.ts'
import { MEMBERS } from '../ticket-name.ts'
import { memberFile } from './member.ts'

export interface TicketAddress {
  /** The directory of the lock or, of a named lock, perhaps its root. */
  readonly directory: string
  /** Relative to that directory. */
  readonly name: string
}

export function addressOfTicket(
  directory: QueueDirectory,
  { name, member, pid }: Pick<ListedTicket, 'name' | 'member' | 'pid'>,
): TicketAddress {
  if (witness.kind === 'socket') return { directory: directory.path, name }
  const socket = witness.socketOf(memberFile(member, pid))
  return { directory: dirname(dirname(directory.pathOfMember(socket))), name: `${MEMBERS}/${socket}` }
}
