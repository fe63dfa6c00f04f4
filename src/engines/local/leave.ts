/**
 * Release and withdraw, and who is notified. The numbers are those of the rules in model/README.md.
 *
 *  N1, D1  Unlink the ticket, synchronously, before anything else: it is out, whatever this process does next.
 *  N2      A ticket that has held: list, and notify those of its successors (core/successors.ts) whose members are connected to this one. The
 *          others are still connecting, and list again after that.
 *  D2-D5   A ticket that has not held may have been notified in place of another. So it notifies all its successors, connecting
 *          to them if it has no connection, until each has been notified or is gone.
 *  P1, P2  A notification may be lost with the connection that it was written to, or with the process that it was written to. So a ticket that has left
 *          is remembered while others stand behind, and the end of any connection repeats the notification.
 *
 * A downgrade is like a release, with a mark in place of the unlink: every later listing shows a shared ticket.
 *
 * A notification is a hint: its receiver lists and decides again.
 */
import { successorsOf, successorsOfDowngrade } from '../../core/successors.ts'
import type { Claim } from '../../core/claim.ts'
import { SHARED } from '../../core/claim.ts'
import { debug, isDebugging } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import { formatWake } from './wire/frames.ts'
import type { Member } from './members/member.ts'
import type { QueueState } from './state.ts'
import { Departed } from './state.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { groupByMember } from './ticket.ts'
import { DOWNGRADED } from './ticket-name.ts'
import { reachBy } from './wait.ts'
import { setTimeout } from '../../real-time.ts'

/** This many queues are remembered, whether others still stand behind in them or not. */
const FEW = 32
/**
 * The minimum linger, in ms, of a contended lock if proper-lockfile may use the same path. Users of proper-lockfile expect that a released lock leaves nothing
 * behind. While other processes use its directory, a socket in it does no harm: so a process that soon asks again need not make another socket.
 */
const CONTENDED_LINGER_MS = 20
/** How long to wait before connecting to a successor again, in ms: doubles from the first to the second. */
const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 1000

/** Removes a ticket from the queue. Does nothing if it has left before. */
export function withdraw(state: QueueState, own: OwnTicket): void {
  if (own.isOver) return
  own.isOver = true
  takeOut(state, own)
  takeOutStuck(state)
  if (!state.stuck.has(own)) return
  throw new SlocketError(
    'ERR_SLOCKET_NOT_RELEASED',
    `the lock '${state.directory.path}' could not be released yet: slocket goes on trying, and it is free at the latest when this process ends`,
    { cause: own.stuckBy },
  )
}

/**
 * Makes the ticket of an exclusive holder a shared one. Does nothing if it is shared. Returns false if the ticket is gone.
 *
 * @throws ERR_SLOCKET_NO_SOCKETS if the file system has no links; what a system error means.
 */
export function downgrade(state: QueueState, own: OwnTicket): boolean {
  const { directory, presence } = state
  if (own.claim.kind === 'shared') return true
  own.isDowngraded = true
  if (!directory.mark(own.name, DOWNGRADED)) {
    if (!directory.has(own.name)) return false
    throw new SlocketError(
      'ERR_SLOCKET_NO_SOCKETS',
      `the file system of '${directory.path}' has neither hard nor symbolic links: the lock cannot be downgraded there`,
    )
  }
  own.claim = SHARED
  if (state.own.size === 1 && !presence.members.hasConnections) return true
  const departed = new Departed(own, 'downgraded')
  if (list(state) && remember(state, departed)) notify(state, departed)
  return true
}

/** Tries again to remove tickets that could not be removed before. */
export function takeOutStuck(state: QueueState): void {
  for (const own of state.stuck) takeOut(state, own)
}

function takeOut(state: QueueState, own: OwnTicket): void {
  const { directory, presence } = state
  let wasThere = true
  try {
    state.stealing?.clearHolderMarks(own)
    wasThere = directory.unlink(own.name)
    if (own.isDowngraded) directory.removeMark(own.name + DOWNGRADED)
  } catch (error) {
    // The name cannot be removed (on a read-only file system, for example). Without its socket, the ticket is dead all the same; but the
    // socket may belong to other tickets in use, too. Then the removal is retried when one of them leaves, and each second.
    own.stuckBy = error
    state.stuck.add(own)
    presence.watch(true)
    if (!presence.abandon(own)) return
  }
  state.stuck.delete(own)
  state.own.delete(own.id)
  // Removed from outside: tickets of others may have been too, and no listing shows who waits.
  if (!wasThere) wakeAll(state)
  let isContended = false
  if (!own.isHeld) passOn(state, own)
  else if (wasThere) isContended = notifySuccessors(state, own)
  own.listener?.close()
  const leastMs = isContended && directory.isBesideMkdir ? CONTENDED_LINGER_MS : 0
  presence.onLeft(Math.max(own.request.lingerMs, leastMs))
}

/** N2. Returns false if it is certain that nobody stands behind it. */
function notifySuccessors(state: QueueState, own: OwnTicket): boolean {
  if (state.own.size === 0 && !state.presence.members.hasConnections) return false
  const departed = new Departed(own)
  if (!list(state)) return true
  if (!remember(state, departed)) return false
  notify(state, departed)
  return true
}

/** D2 to D5, for a ticket that has left without having held, for a thief in its place, or for a ticket that a thief has removed. */
export function passOn(state: QueueState, own: Pick<OwnTicket, 'name' | 'claim' | 'owner' | 'isHeld'>): void {
  const departed = new Departed(own)
  if (!list(state)) return startPursuit(state, departed, [])
  if (!remember(state, departed)) return
  const unreached = notify(state, departed)
  if (unreached !== undefined) startPursuit(state, departed, unreached)
}

/** P1: remembers a ticket that has left, and forgets others. Must be called after a listing. Returns false if nobody stands behind the ticket. */
function remember(state: QueueState, departed: Departed): boolean {
  const { lastName } = state.view
  forget(state)
  if (lastName <= departed.name) return false
  departed.lastBehind = lastName
  if (state.departed.length === 0) state.departed = [departed]
  else if (!state.departed.includes(departed)) state.departed.push(departed)
  if (!state.left.has(state)) rememberQueue(state)
  return true
}

/** Must be called after a listing: nobody stands any more between the names that it showed. */
function forget(state: QueueState): void {
  const { departed, view } = state
  if (departed.length === 0) return
  let kept = 0
  for (let index = 0; index < departed.length; index += 1) {
    const one = departed[index]!
    if (view.hasBetween(one.name, one.lastBehind)) departed[kept++] = one
  }
  departed.length = kept
  if (kept === 0) state.left.delete(state)
}

function rememberQueue(state: QueueState): void {
  const { left } = state
  left.add(state)
  if (left.size <= left.most) return
  // Perhaps nobody ever comes to those queues again.
  for (const other of left) if (other !== state && list(other)) forget(other)
  left.most = 2 * left.size + FEW
}

/** P2: a connection has ended. Notifications over it may never have been read. */
export function notifyAgain(left: Iterable<QueueState>): void {
  for (const state of left) {
    if (!list(state)) continue
    forget(state)
    // Each ticket is notified once, whichever ticket has left ahead of it.
    const notified = new Set<string>()
    for (const departed of state.departed) {
      const unreached = notify(state, departed, notified)
      if (unreached !== undefined) startPursuit(state, departed, unreached)
    }
  }
}

/**
 * Notifies the successors, as the last listing shows them, except those in `notified`, to which it adds them. Returns the successors that have yet to be connected
 * to; undefined if there are none.
 */
function notify(state: QueueState, departed: Departed, notified?: Set<string>): readonly ListedTicket[] | undefined {
  const { view } = state
  const { claim, kind, name } = departed
  const counts = (ticket: ListedTicket): boolean =>
    (!departed.hasHeld || state.isOwn(ticket) || state.presence.members.hasConnectionFrom(ticket.member)) &&
    !view.isForeign(ticket, true)
  const next = view.nearestBehind(name, counts)
  if (next === undefined) return undefined
  // Usually there is one successor.
  if (kind === 'downgraded' && next.claim.kind === 'exclusive') return undefined
  const isAlone = kind === 'left' && isOnlySuccessor(claim, next)
  if (isAlone) {
    if (notified?.has(next.name) === true) return undefined
    notified?.add(next.name)
    return notifyMember(state, name, [next]) ? undefined : [next]
  }
  let unreached: ListedTicket[] | undefined
  const behind = filter(view.behind(name), counts)
  const all = kind === 'downgraded' ? successorsOfDowngrade(behind) : successorsOf(claim, behind)
  const successors = all.filter((one) => !notified?.has(one.name))
  for (const ticket of successors) notified?.add(ticket.name)
  for (const tickets of groupByMember(successors)) {
    if (notifyMember(state, name, tickets)) continue
    unreached ??= []
    for (const ticket of tickets) unreached.push(ticket)
  }
  return unreached
}

/** Whether the nearest ticket behind is the only successor of a ticket that has left. */
function isOnlySuccessor(departed: Claim, next: ListedTicket): boolean {
  return departed.kind === 'exclusive' ? next.claim.kind === 'exclusive' : departed.kind === 'shared'
}

/** Notifies tickets of one member. False if there is no connection with it. */
function notifyMember(state: QueueState, departed: string, tickets: readonly ListedTicket[]): boolean {
  let frames = ''
  let isOwn = false
  for (let index = 0; index < tickets.length; index += 1) {
    const { id, name } = tickets[index]!
    if (isDebugging)
      debug('%s: ticket %s has left or shares, ticket %s is notified', state.directory.path, departed, id)
    const own = state.own.get(id)
    if (own?.name === name) {
      own.wake()
      isOwn = true
    }
    frames += formatWake(id)
  }
  return isOwn || sendTo(state, tickets[0]!.member, frames)
}

/** False if there is no connection with the member. */
function sendTo({ presence }: QueueState, member: string, frames: string): boolean {
  let isSent = false
  // A waiter that sleeps has opened a connection. All that came from the member are used, since somebody else may have opened one in its name. That one
  // of them has ended doesn't matter: then all are notified again.
  const connections = presence.members.connectionsTo(member)
  for (let index = 0; index < connections.length; index += 1) {
    const connection = connections[index]!
    if (connection.isOpenedHere) continue
    connection.send(frames)
    isSent = true
  }
  if (isSent) return true
  const opened = presence.members.connectionOpenedTo(member)
  opened?.send(frames)
  return opened !== undefined
}

function startPursuit(state: QueueState, departed: Departed, unreached: readonly ListedTicket[]): void {
  if (departed.isPursuing) return
  departed.isPursuing = true
  state.pursuits += 1
  pursue(state, departed, unreached)
    .catch((error: unknown) => debug('%s: the successors are notified by the clock: %s', state.directory.path, error))
    .finally(() => {
      departed.isPursuing = false
      state.pursuits -= 1
    })
}

/**
 * D3 to D5: connects to successors, and lists and notifies again, until all have been notified. Ends if the member that connects ends: then the processes
 * that had notified it notify others.
 */
async function pursue(state: QueueState, departed: Departed, first: readonly ListedTicket[]): Promise<void> {
  const { owner } = departed
  let unreached: readonly ListedTicket[] | undefined = first
  for (let round = 0; unreached !== undefined; round += 1) {
    const isReached = await reachAny(state, owner, unreached)
    if (!isReached || round > 1) await pause(Math.min(FIRST_PAUSE_MS * 2 ** Math.min(round, 10), LONGEST_PAUSE_MS))
    if (owner.isClosed) return
    if (list(state)) unreached = remember(state, departed) ? notify(state, departed) : undefined
  }
}

/** False if one of them isn't gone, but could not be connected to. */
async function reachAny(state: QueueState, owner: Member, tickets: readonly ListedTicket[]): Promise<boolean> {
  let isReached = true
  for (const [ticket] of groupByMember(tickets)) {
    try {
      const reached = await reachBy(state, owner, ticket!)
      if (reached === 'busy' || reached === 'broken') isReached = false
    } catch (error) {
      debug('%s: ticket %s cannot be notified yet: %s', state.directory.path, ticket!.id, error)
      isReached = false
    }
  }
  return isReached
}

/** Doesn't keep the process alive: when the process ends, so do its connections, which has the same effect. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref())
}

/** False if the queue can't be listed: then all connected processes are made to look. */
function list(state: QueueState): boolean {
  try {
    state.view.list()
    return true
  } catch (error) {
    debug('%s: cannot list the successors, so all are notified: %s', state.directory.path, error)
    wakeAll(state)
    return false
  }
}

function wakeAll(state: QueueState): void {
  state.wakeOwn()
  state.presence.members.wakeAll()
}

function* filter<T>(all: Iterable<T>, accepts: (one: T) => boolean): Generator<T, void, undefined> {
  for (const one of all) if (accepts(one)) yield one
}
