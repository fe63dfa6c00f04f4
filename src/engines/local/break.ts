/**
 * Removes tickets of other processes from a queue, from outside, and makes the affected processes look at once: each
 * would look by itself within a second.
 */
import { debug } from '../../debug.ts'
import { SlocketError, systemCode } from '../../errors.ts'
import type { Requester } from '../../requests/engine.ts'
import { withRoom } from '../../requests/idle.ts'
import { isSameRequester } from '../../requests/same-requester.ts'
import { builtInNet } from './platform/built-in.ts'
import { toConnectError } from './platform/connect-error.ts'
import type { QueueDirectory } from './directory.ts'
import { findHolders } from './inspect.ts'
import { DirectoryGone } from './lock-directory.ts'
import type { Frame } from './wire/frames.ts'
import { formatFrame } from './wire/frames.ts'
import { memberFile, randomMemberId } from './members/member.ts'
import { QueueView } from './view.ts'
import { SocketAddresses } from './platform/socket-addresses.ts'
import { witness } from './platform/witness.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { groupByMember } from './ticket.ts'
import { MEMBERS } from './ticket-name.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** How long a process has to answer, in ms. A process that is stopped or busy looks when it continues. */
const ANSWER_MS = 200
/** How many processes are notified at once. */
const AT_ONCE = 200

/** A ticket of a holder. */
export interface HoldingTicket {
  readonly name: string
  /** The requests that hold by it. */
  readonly holders: readonly Requester[]
}

/** A queue from which tickets can be removed. */
export interface Breakable {
  findHolders(): Promise<HoldingTicket[]>
  /** Whether the ticket of this name is in the queue. */
  has(name: string): boolean
  /** Removes the tickets with these names. Tickets that can't be removed are still there afterwards. */
  takeAway(names: readonly string[]): Promise<void>
  /** The error to report if tickets can't be removed. @param left how many of how many holders they are. */
  failure(left: string): SlocketError
}

/** The tickets that were to be removed, and those of them that couldn't be. */
export interface TakenAway {
  readonly taken: readonly HoldingTicket[]
  readonly left: readonly HoldingTicket[]
}

/** @param own as for `findHolders`. */
export function breakable(directory: QueueDirectory, own: () => ReadonlyMap<string, OwnTicket>): Breakable {
  return {
    findHolders: () => findHolders(directory, own),
    has: (name) => directory.has(name),
    takeAway: (names) => takeAway(directory, names),
    failure: (left) =>
      new SlocketError(
        'ERR_SLOCKET_PERMISSION',
        `${left} of the lock '${directory.path}' cannot be taken away: they belong to another user, or the directory cannot be written to`,
      ),
  }
}

/** Takes the lock away from its holders. See `Engine.breakHolders`. */
export async function breakHolders(
  queue: Breakable,
  confirm: (held: readonly Requester[]) => Promise<boolean>,
): Promise<readonly Requester[]> {
  const { taken, left } = await takeFromHolders(queue, (found) => confirm(holdersOf(found)))
  if (left.length === 0) return holdersOf(taken)
  throw queue.failure(`${left.length} of ${taken.length} holders`)
}

/**
 * Takes the lock away from its holders if `confirm` agrees, but not from a request that became a holder after `confirm` was called.
 *
 * @param confirm called if the lock is held.
 */
export async function takeFromHolders(
  queue: Breakable,
  confirm: (found: readonly HoldingTicket[]) => Promise<boolean>,
): Promise<TakenAway> {
  const found = await withRoom(() => queue.findHolders())
  if (found.length === 0 || !(await confirm(found))) return { taken: [], left: [] }
  const now = await withRoom(() => queue.findHolders())
  const taken = now.filter((ticket) => isShown(ticket, found) && queue.has(ticket.name))
  if (taken.length === 0) return { taken, left: [] }
  // RACE: a ticket passes from its holder to another request of the same process between the look and this line. That request loses the lock, too.
  await queue.takeAway(taken.map(({ name }) => name))
  return { taken, left: taken.filter(({ name }) => queue.has(name)) }
}

/** Whether all holders of a ticket were shown. A ticket serves one request of its process after another. */
function isShown({ name, holders }: HoldingTicket, found: readonly HoldingTicket[]): boolean {
  const shown = found.find((ticket) => ticket.name === name)?.holders ?? []
  return holders.every((holder) => shown.some((one) => isSameRequester(one, holder)))
}

function holdersOf(tickets: readonly HoldingTicket[]): Requester[] {
  return tickets.flatMap(({ holders }) => holders)
}

/** @param names the names of the tickets to remove. Tickets that can't be removed are still there afterwards. */
export async function takeAway(directory: QueueDirectory, names: readonly string[]): Promise<void> {
  const view = new QueueView(directory, new Map(), () => true)
  const concerned = view.read()
  for (const name of names) directory.removeTicket(name)
  const members = groupByMember(concerned)
  for (let first = 0; first < members.length; first += AT_ONCE) {
    await Promise.all(members.slice(first, first + AT_ONCE).map((tickets) => hintMember(directory.path, tickets)))
  }
  directory.removeIfEmpty()
}

/** As `connectAndNotify`. The tickets are gone by now, so a failure here is ignored: the member looks once a second anyway. */
async function hintMember(directory: string, tickets: readonly ListedTicket[]): Promise<void> {
  try {
    await withRoom(() => connectAndNotify(directory, tickets))
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('%s: member %s cannot be notified: %s', directory, tickets[0]!.member, error)
  }
}

/**
 * Makes the owner of `tickets`, which belong to one member, look at the queue. It uses the member's own socket: the names of its tickets may be gone. This is a
 * hint, and may get lost.
 *
 * @param directory the directory of the lock, or the root of named locks.
 * @returns false if nobody listens there.
 */
export function connectAndNotify(
  directory: string,
  tickets: readonly Pick<ListedTicket, 'id' | 'member' | 'pid'>[],
): Promise<boolean> {
  const { member, pid } = tickets[0]!
  const addresses = new SocketAddresses(directory)
  return new Promise<boolean>((resolve) => {
    const path = addresses.of(`${MEMBERS}/${witness.socketOf(memberFile(member, pid))}`)
    const socket = builtInNet().connect({ path })
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS)
    socket.once('connect', () => {
      const frames: Frame[] = [
        { kind: 'hello', member: randomMemberId() },
        ...tickets.map(({ id }) => ({ kind: 'wake', ticket: id }) as const),
      ]
      socket.write(frames.map(formatFrame).join(''), 'latin1')
    })
    // The owner has read the message.
    socket.once('data', () => socket.destroy())
    socket.on('error', (error) => debug('%s: member %s cannot be notified: %s', directory, member, error))
    socket.once('close', () => {
      clearTimeout(timer)
      const code = systemCode(socket.errored && toConnectError(path, socket.errored))
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
    .catch((error: unknown) => {
      if (!(error instanceof DirectoryGone)) throw error
      return false
    })
    .finally(() => addresses.close())
}
