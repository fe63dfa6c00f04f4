/**
 * Takes tickets out of a queue that belong to others, from outside, and has those whom it concerns look at once: each
 * would by the clock, within a second.
 */
import { debug } from '../../debug.ts'
import { systemCode } from '../../errors.ts'
import { builtInNet } from './platform/built-in.ts'
import type { QueueDirectory } from './directory.ts'
import { DirectoryGone } from './lock-directory.ts'
import type { Frame } from './wire/frames.ts'
import { formatFrame } from './wire/frames.ts'
import { memberFile, randomMemberId } from './members/member.ts'
import { QueueView } from './view.ts'
import { SocketAddresses } from './platform/socket-addresses.ts'
import { witness } from './platform/witness.ts'
import type { ListedTicket } from './ticket.ts'
import { groupByMember } from './ticket.ts'
import { MEMBERS } from './ticket-name.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** How long one has to answer, in ms. One that is stopped, or busy, sees when it goes on. */
const ANSWER_MS = 200
/** How many are told at once. */
const AT_ONCE = 200

/** @param names those of the tickets to take out. What cannot be removed is still there afterwards. */
export async function takeAway(directory: QueueDirectory, names: readonly string[]): Promise<void> {
  const view = new QueueView(directory, new Map(), () => true)
  const concerned = view.read()
  for (const name of names) directory.sweepTicket(name)
  const members = groupByMember(concerned)
  for (let first = 0; first < members.length; first += AT_ONCE) {
    await Promise.all(members.slice(first, first + AT_ONCE).map((tickets) => tellMember(directory.path, tickets)))
  }
  directory.removeIfEmpty()
}

/**
 * Has the owner of `tickets`, which are of one member, look at the queue, by the member's own socket: the names of its tickets may be gone. A
 * hint; nobody has to hear it.
 *
 * @param directory that of the lock, or the root of named locks.
 * @returns false if nobody listens there.
 */
export function tellMember(
  directory: string,
  tickets: readonly Pick<ListedTicket, 'id' | 'member' | 'pid'>[],
): Promise<boolean> {
  const { member, pid } = tickets[0]!
  const addresses = new SocketAddresses(directory)
  return new Promise<boolean>((resolve) => {
    const socket = builtInNet().connect({
      path: addresses.of(`${MEMBERS}/${witness.socketOf(memberFile(member, pid))}`),
    })
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS)
    socket.once('connect', () => {
      const frames: Frame[] = [
        { kind: 'hello', member: randomMemberId() },
        ...tickets.map(({ id }) => ({ kind: 'wake', ticket: id }) as const),
      ]
      socket.write(frames.map(formatFrame).join(''), 'latin1')
    })
    // It has read that.
    socket.once('data', () => socket.destroy())
    socket.on('error', (error) => debug('%s: member %s cannot be told: %s', directory, member, error))
    socket.once('close', () => {
      clearTimeout(timer)
      const code = systemCode(socket.errored)
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
    .catch((error: unknown) => {
      if (!(error instanceof DirectoryGone)) throw error
      return false
    })
    .finally(() => addresses.close())
}
