/**
 * J, join: link a ticket to the member's socket, then list. If the list shows anything behind the ticket, withdraw and join
 * again with a higher number; otherwise it has joined, and every process that links after that list sees it there.
 *
 * Of two tickets in one queue, the later-linked ticket has the other in its list. If the other sorts behind, the
 * later ticket withdraws here; if it sorts ahead, the later ticket waits for it. So two never both believe that they are first.
 * If a list was made before another ticket was linked, that does no harm: the other ticket is then the later one.
 */
import { isExiting } from '../../requests/exiting.ts'
import { isOutOfDescriptors, makeRoom } from '../../requests/idle.ts'
import type { EnqueueRequest } from '../../requests/ticket-queue.ts'
import { debug, isDebugging } from '../../debug.ts'
import { isSlocketError } from '../../errors.ts'
import { DirectoryGone, DirectoryUnfinished } from './lock-directory.ts'
import { ObstacleWarning, refuseDeadSocket, waitUntilForeignGone } from './occupant/foreign.ts'
import { kernelId } from './platform/kernel.ts'
import { withdraw } from './leave.ts'
import type { Member } from './members/member.ts'
import type { QueueState } from './state.ts'
import { sleepFor } from './sleep-for.ts'
import type { ListedTicket } from './ticket.ts'
import { OwnTicket } from './ticket.ts'
import { thiefNumber } from './names/thief-number.ts'
import type { TicketName } from './ticket-name.ts'
import { ticketId } from './ticket-name.ts'
import { setImmediate } from '../../real-time.ts'

/** How many times in a row the directory may vanish while a socket is made in it. Each time its last user has just left. */
const MOST_VANISHINGS = 100
/** The longest random pause before joining again, in ms; the first ones are shorter. */
const LONGEST_PAUSE_MS = 16

/** Joins at once if there is a member. Undefined if it has to be tried again, by {@link joinSlowly}. */
export function join(state: QueueState, request: EnqueueRequest): OwnTicket | undefined {
  try {
    return joinOnce(state, request)
  } catch (error) {
    if (error instanceof DirectoryUnfinished) return undefined
    throw error
  }
}

/** As {@link join}. @throws DirectoryUnfinished */
function joinOnce(state: QueueState, request: EnqueueRequest): OwnTicket | undefined {
  const { directory, presence } = state
  const member = presence.members.current
  if (member === undefined || !directory.hasLinks) return undefined
  const own = new OwnTicket(newName(state, request, member), member, request)
  switch (directory.link(member.file, own.name)) {
    case 'linked':
      return confirmJoin(state, own)
    case 'gone':
      presence.retire()
      return undefined
    case 'no-links':
      return undefined
  }
}

/**
 * Joins if the queue is empty, without a turn of the event loop. Otherwise, or if it would have to wait, returns undefined and leaves nothing
 * behind.
 *
 * RACE: another process may join between the first listing and the link, or between the link and the second listing. Then this ticket
 * withdraws as any other does, and the caller waits with another one.
 */
export function joinIfFree(state: QueueState, request: EnqueueRequest): OwnTicket | undefined {
  const { presence } = state
  // Checked first: a request that has to wait in another thread needs no socket here.
  if (isExiting() || !isEmpty(state)) return undefined
  let own: OwnTicket | undefined
  try {
    if (presence.members.current !== undefined || presence.openAtOnce()) own = joinOnce(state, request)
  } catch (error) {
    if (!(error instanceof DirectoryGone) && !isOutOfDescriptors(error)) throw error
  } finally {
    if (own === undefined) presence.onLeft(request.lingerMs)
  }
  if (own === undefined) {
    endPursuits(state)
    return undefined
  }
  const isFirst = own.joinListing?.length === 1
  own.joinListing = undefined
  if (isFirst) return own
  withdraw(state, own)
  endPursuits(state)
  return undefined
}

/** This thread may block before it can connect to anybody. The end of its connections makes the others look. */
function endPursuits({ pursuits, presence }: QueueState): void {
  if (pursuits > 0) presence.leave()
}

/** True also if that can't be found out: the join will get the same error, and report it. */
function isEmpty({ view }: QueueState): boolean {
  try {
    view.list()
    return view.last() === undefined
  } catch (error) {
    if (!isSlocketError(error)) throw error
    return true
  }
}

/**
 * Creates what is missing, waits until what is foreign has gone, and joins. Null if the request was cancelled, or if it
 * never waits and something foreign is in the way.
 */
export async function joinSlowly(state: QueueState, request: EnqueueRequest): Promise<OwnTicket | null> {
  let own: OwnTicket | null = null
  // The request comes from a listener for `exit`: there is no next turn of the event loop, unless the process goes on after all.
  if (isExiting()) await new Promise((resolve) => setImmediate(resolve))
  state.presence.joining += 1
  const warning = new ObstacleWarning(state.directory)
  try {
    own = await joinByRounds(state, request, warning)
    return own
  } finally {
    state.presence.joining -= 1
    warning.stop()
    // If this request got no ticket, a member that was made for it ends as if its last ticket had left.
    if (own === null) state.presence.onLeft(request.lingerMs)
  }
}

async function joinByRounds(
  state: QueueState,
  request: EnqueueRequest,
  warning: ObstacleWarning,
): Promise<OwnTicket | null> {
  const { directory, presence } = state
  let vanishings = 0
  // Bound: a round fails only because another process joined or left meanwhile, because something foreign is there, or because
  // idle locks of this process had to be closed to free descriptors.
  for (let round = 0; !request.cancellation.cancelled; round += 1) {
    try {
      if (presence.members.current === undefined && (await presence.open()) === 'foreign') {
        if (!request.wait) {
          await refuseDeadSocket(directory)
          return null
        }
        warning.start()
        await waitUntilForeignGone(directory, request.cancellation)
        continue
      }
      const own = joinOnce(state, request) ?? (directory.hasLinks ? undefined : await joinWithOwnSocket(state, request))
      if (own !== undefined) return own
    } catch (error) {
      if (error instanceof DirectoryGone) {
        if (!(error instanceof DirectoryUnfinished)) presence.retire()
        vanishings += 1
        if (vanishings > MOST_VANISHINGS) throw error.cause
      } else makeRoom(error)
    }
    // Random, so that two requests that make each other withdraw don't go on doing so.
    if (round > 0) await sleepFor(Math.random() * Math.min(2 ** round, LONGEST_PAUSE_MS))
  }
  return null
}

/** As {@link join}, if hard links to a socket do not lead to it: a socket for the ticket alone, renamed once it listens. */
async function joinWithOwnSocket(state: QueueState, request: EnqueueRequest): Promise<OwnTicket | undefined> {
  const { directory, presence } = state
  const member = presence.members.current
  if (member === undefined) return undefined
  const parsed = newName(state, request, member)
  const socket = await presence.listenForTicket(member, parsed.number)
  if (socket === 'foreign') {
    presence.retire()
    return undefined
  }
  const own = new OwnTicket(parsed, member, request, socket.listener)
  let isJoining = false
  try {
    // RACE: the presence may have ended, by its linger, while the socket came to listen.
    isJoining = member === presence.members.current && directory.rename(socket.name, own.name)
  } finally {
    if (!isJoining) socket.listener.close()
  }
  if (!isJoining) return undefined
  return confirmJoin(state, own)
}

function newName(state: QueueState, { claim, steal }: EnqueueRequest, { id: member, pid }: Member): TicketName {
  const number = steal ? thiefNumber(state.view.read()[0]?.number) : state.numbers.next(member, state)
  return { id: ticketId(number, member), number, claim, pid, member, kernel: kernelId() }
}

/** Lists after the link, and decides whether the ticket has joined. A dead ticket behind counts, too: it may have held before the link. */
function confirmJoin(state: QueueState, own: OwnTicket): OwnTicket | undefined {
  const { path } = state.directory
  own.home = state
  state.own.set(own.id, own)
  const { view } = state
  let last: ListedTicket | undefined
  try {
    view.list()
    if (own.request.steal ? view.all().find((ticket) => !view.isForeign(ticket))?.id === own.id : view.endsWith(own)) {
      own.joinListing = view.ahead(own)
      state.presence.watch(false)
      if (isDebugging) debug('%s: ticket %s joined, place %d', path, own.id, view.all().length)
      // A ticket that was busy when an earlier request connected to it may be dead by now.
      const { joinListing } = own
      for (let index = 0; index < joinListing.length; index += 1) joinListing[index]!.isBusy = false
      return own
    }
    last = view.last()
  } catch (error) {
    withdraw(state, own)
    throw error
  }
  if (last !== undefined) state.numbers.see(last.number)
  debug('%s: ticket %s withdraws, another one is behind it', path, own.id)
  withdraw(state, own)
  return undefined
}
