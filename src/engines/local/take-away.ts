/**
 * Takes tickets out of a queue that belong to others, from outside, and has those whom it concerns look at once: each
 * would by the clock, within a second.
 */
import { debug } from '../../debug.ts'
import { builtInNet } from './built-in.ts'
import type { QueueDirectory } from './directory.ts'
import { DirectoryGone } from './lock-directory.ts'
import type { Frame } from './frames.ts'
import { formatFrame } from './frames.ts'
import { memberFile, randomMemberId } from './member.ts'
import { QueueView } from './queue-view.ts'
import { SocketAddresses } from './short-path.ts'
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
  const view = new QueueView(
    directory,
    () => false,
    () => true,
  )
  const concerned = view.read().filter(({ name, isMarked }) => isMarked || names.includes(name))
  for (const name of names) directory.sweepTicket(name)
  const members = groupByMember(concerned)
  for (let first = 0; first < members.length; first += AT_ONCE) {
    await Promise.all(members.slice(first, first + AT_ONCE).map((tickets) => tell(directory, tickets)))
  }
  directory.removeIfEmpty()
}

/** By the member's own socket: the names of its tickets may be gone. A hint; nobody has to hear it. */
function tell(directory: QueueDirectory, tickets: readonly ListedTicket[]): Promise<void> {
  const [{ member, pid }] = tickets as [ListedTicket]
  const addresses = new SocketAddresses(directory.path)
  return new Promise<void>((resolve) => {
    const socket = builtInNet().connect({ path: addresses.of(`${MEMBERS}/${memberFile(member, pid)}`) })
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
    socket.on('error', (error) => debug('%s: member %s cannot be told: %s', directory.path, member, error))
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
    .catch((error: unknown) => {
      if (!(error instanceof DirectoryGone)) throw error
    })
    .finally(() => addresses.close())
}
