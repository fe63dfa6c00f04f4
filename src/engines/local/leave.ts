/**
 * R, release or withdraw: unlink the ticket, synchronously, before anything else: from then on it is out, whatever this
 * process does next. Then list, and tell the successors (core/successors.ts) that their turn may have come.
 *
 * Only marked ones are told: one that is not marked has yet to list, and will see that the ticket is gone. Telling an
 * unmarked one in place of a marked one that waits behind it would lose the wake-up, if it is about to withdraw.
 */
import { successorsOf } from '../../core/successors.ts'
import { debug } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import type { Connection, Departed } from './connection.ts'
import type { QueueState } from './queue-state.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
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

/** Tells those whose turn may have come because `departed` has left. A hint: each lists and decides again. */
export function tellSuccessorsOf(state: QueueState, departed: Departed): void {
  const { directory, presence } = state
  if (state.own.size === 0 && !presence.hasConnections) return
  let listing: readonly ListedTicket[]
  try {
    listing = state.view.read()
  } catch (error) {
    debug('%s: cannot list the successors, so all are told: %s', directory.path, error)
    state.wakeOwn()
    presence.wakeAll()
    return
  }
  let behind = listing.filter((ticket) => ticket.name > departed.name && canBeTold(state, ticket))
  const tried = new Set<ListedTicket>()
  let next = successorsOf(departed.claim, behind)
  while (next.length > 0) {
    for (const ticket of next) {
      tried.add(ticket)
      // It has died, and this process has not come to see that yet.
      if (!tell(state, departed, ticket)) behind = behind.filter((other) => other !== ticket)
    }
    next = successorsOf(departed.claim, behind).filter((ticket) => !tried.has(ticket))
  }
}

function canBeTold({ own, presence }: QueueState, ticket: ListedTicket): boolean {
  return own.has(ticket.id) || (ticket.isMarked && presence.connectionsTo(ticket.member).length > 0)
}

/** False where it is certain that the ticket does not hear of it. */
function tell(state: QueueState, departed: Departed, ticket: ListedTicket): boolean {
  debug('%s: ticket %s has left, ticket %s is told', state.directory.path, departed.name, ticket.id)
  const own = state.own.get(ticket.id)
  own?.wake()
  let isTold = own !== undefined
  for (const connection of state.presence.connectionsTo(ticket.member)) {
    // It may never be heard, and nobody can tell now: when this connection ends, the successors are told again.
    forgetGone(state, connection)
    connection.told.set(ticket.name, departed)
    if (connection.send({ kind: 'wake', ticket: ticket.id })) isTold = true
  }
  return isTold
}

/** A ticket that has left has told its successors by itself, or was found dead by those who waited for it. */
function forgetGone({ view }: QueueState, { told }: Connection): void {
  for (const name of told.keys()) if (!view.shows(name)) told.delete(name)
}

function takeOut(state: QueueState, own: OwnTicket): void {
  const { directory, presence } = state
  // First, so that no mark is left alone by a process that is killed here.
  if (own.isMarked) directory.sweep(markOf(own.name))
  try {
    directory.unlink(own.name)
  } catch (error) {
    // The name cannot be taken out (a read-only file system, say). Without its socket it is dead all the same; but the
    // socket may be that of other tickets in use. Then it is tried again when one of them goes, and each second.
    own.stuckBy = error
    state.stuck.add(own)
    if (!presence.abandon(own)) return
  }
  state.stuck.delete(own)
  state.own.delete(own.id)
  tellSuccessorsOf(state, own)
  own.dispose?.()
  presence.onLeft(own.request.lingerMs)
}
