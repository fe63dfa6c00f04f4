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
import type { Departed } from './connection.ts'
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
  const behind = listing.filter((ticket) => ticket.name > departed.name && canBeTold(state, ticket))
  for (const ticket of successorsOf(departed.claim, behind)) tell(state, departed, ticket)
}

function canBeTold({ own, presence }: QueueState, ticket: ListedTicket): boolean {
  return own.has(ticket.id) || (ticket.isMarked && presence.connectionsTo(ticket.member).length > 0)
}

function tell({ directory, own, presence }: QueueState, departed: Departed, ticket: ListedTicket): void {
  debug('%s: ticket %s has left, ticket %s is told', directory.path, departed.name, ticket.id)
  own.get(ticket.id)?.wake()
  for (const connection of presence.connectionsTo(ticket.member)) {
    // Node tells late of a failed write. When this connection ends, the successors are told again.
    connection.told = departed
    connection.send({ kind: 'wake', ticket: ticket.id })
  }
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
