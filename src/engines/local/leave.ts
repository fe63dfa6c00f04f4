/**
 * R, release or withdraw: unlink the ticket, synchronously, before anything else: from then on it is out, whatever this
 * process does next. Then list, and tell the successors (core/successors.ts) that their turn may have come.
 *
 * Only marked ones are told: one that is not marked has yet to list, and will see that the ticket is gone. Telling an
 * unmarked one in place of a marked one that waits behind it would lose the wake-up, if it is about to withdraw.
 */
import { successorsOf } from '../../core/successors.ts'
import { debug, isDebugging } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import type { Connection, Departed } from './wire/connection.ts'
import { FEW_TOLD } from './wire/connection.ts'
import { formatWake } from './wire/frames.ts'
import { QueueState } from './state.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { groupByMember } from './ticket.ts'
import { markOf } from './ticket-name.ts'

/** Takes a ticket out of the queue. Does nothing where it has left before. */
export function withdraw(state: QueueState, own: OwnTicket): void {
  if (own.isOver) return
  own.isOver = true
  takeOut(state, own)
  takeOutStuck(state)
  if (!state.stuck.has(own)) return
  throw new SlocketError('ERR_SLOCKET_NOT_RELEASED', `the lock '${state.directory.path}' could not be released`, {
    cause: own.stuckBy,
  })
}

/** Tries again to take out what could not be taken out before. */
export function takeOutStuck(state: QueueState): void {
  for (const own of state.stuck) takeOut(state, own)
}

/** Notifies those whose turn may have come because `departed` has left. A hint: each lists and decides again. */
export function tellSuccessorsOf(state: QueueState, departed: Departed): void {
  const { directory, presence, view } = state
  if (state.own.size === 0 && !presence.hasConnections) return
  try {
    view.list()
  } catch (error) {
    debug('%s: cannot list the successors, so all are told: %s', directory.path, error)
    return wakeAll(state)
  }
  const next = view.nearestBehind(departed.name, (ticket) => canBeTold(state, ticket) && !view.isForeign(ticket, true))
  if (next === undefined) return
  // Most often there is one successor, and it hears of it.
  const isAlone =
    departed.claim.kind === 'exclusive' ? next.claim.kind === 'exclusive' : departed.claim.kind === 'shared'
  if (!isAlone || !tell(state, departed, [next])) tellAll(state, departed)
}

function tellAll(state: QueueState, departed: Departed): void {
  const tried = new Set<ListedTicket>()
  const untold = new Set<ListedTicket>()
  let isOver = false
  // Bound: by the tickets that the listing shows; each round tries others, in place of those that could not be told.
  while (!isOver) {
    const next = successorsOf(departed.claim, waitingBehind(state, departed, untold))
    isOver = true
    for (const tickets of groupByMember(next.filter((ticket) => !tried.has(ticket)))) {
      for (const ticket of tickets) tried.add(ticket)
      if (tell(state, departed, tickets)) continue
      // Their process has died, and this one has not come to see that yet.
      for (const ticket of tickets) untold.add(ticket)
      isOver = false
    }
  }
}

/** Those behind `departed` that can be told, but for those of whom that has turned out to be wrong. */
function* waitingBehind(
  state: QueueState,
  departed: Departed,
  untold: ReadonlySet<ListedTicket>,
): Generator<ListedTicket, void, undefined> {
  for (const ticket of state.view.behind(departed.name)) {
    if (!untold.has(ticket) && canBeTold(state, ticket) && !state.view.isForeign(ticket, true)) yield ticket
  }
}

/** Also where the ticket was removed from outside: those of the others may have been too, and no listing shows who waits. */
function wakeAll(state: QueueState): void {
  state.wakeOwn()
  state.presence.wakeAll()
}

function canBeTold(state: QueueState, ticket: ListedTicket): boolean {
  return state.isOwn(ticket) || (ticket.isMarked && state.presence.connectionsTo(ticket.member).length > 0)
}

/** Notifies tickets of one member. False if it is certain that they do not hear of it. */
function tell(state: QueueState, departed: Departed, tickets: readonly ListedTicket[]): boolean {
  const { directory, own, presence } = state
  let isTold = false
  for (const { id, name } of tickets) {
    if (isDebugging) debug('%s: ticket %s has left, ticket %s is told', directory.path, departed.name, id)
    const ticket = own.get(id)
    if (ticket?.name !== name) continue
    ticket.wake()
    isTold = true
  }
  const { member } = tickets[0]!
  // Whoever sleeps has opened a connection. All that came from the member are used, since somebody else may have opened one in its name.
  for (const connection of presence.connectionsTo(member)) {
    if (!connection.isOpenedHere && tellOver(state, connection, departed, tickets)) isTold = true
  }
  if (isTold) return true
  const opened = presence.connectionOpenedTo(member)
  return opened !== undefined && tellOver(state, opened, departed, tickets)
}

/** False where it is certain that they do not arrive. */
function tellOver(
  state: QueueState,
  connection: Connection,
  departed: Departed,
  tickets: readonly ListedTicket[],
): boolean {
  forgetGone(state, connection)
  // They may never hear of it, and nobody can tell now: when this connection ends, the successors are told again.
  let frames = ''
  for (const { name, id } of tickets) {
    connection.told.set(name, departed)
    frames += formatWake(id)
  }
  return connection.send(frames)
}

/**
 * A ticket that has left has told its successors by itself, or was found dead by those who waited for it. Those of other queues of the
 * same members are looked at once there are many: nobody may ever come to those queues again.
 */
function forgetGone(state: QueueState, connection: Connection): void {
  const { told } = connection
  for (const [name, { home }] of told) {
    if ((home === undefined || home === state) && !state.view.shows(name)) told.delete(name)
  }
  if (told.size < connection.mostTold) return
  for (const [name, { home }] of told) {
    if (home instanceof QueueState && home !== state && !home.directory.has(name)) told.delete(name)
  }
  connection.mostTold = 2 * told.size + FEW_TOLD
}

function takeOut(state: QueueState, own: OwnTicket): void {
  const { directory, presence } = state
  // First, so that no mark is left alone by a process that is killed here.
  if (own.hasMark) directory.sweep(markOf(own.name))
  let wasThere = true
  try {
    state.stealing?.letGo(own)
    wasThere = directory.unlink(own.name)
  } catch (error) {
    // The name cannot be taken out (a read-only file system, say). Without its socket it is dead all the same; but the
    // socket may be that of other tickets in use. Then it is tried again when one of them goes, and each second.
    own.stuckBy = error
    state.stuck.add(own)
    presence.watch(true)
    if (!presence.abandon(own)) return
  }
  state.stuck.delete(own)
  state.own.delete(own.id)
  if (wasThere) tellSuccessorsOf(state, own)
  else wakeAll(state)
  own.listener?.close()
  presence.onLeft(own.request.lingerMs)
}
