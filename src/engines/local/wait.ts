/**
 * Waits for the tickets ahead. The numbers are those of the rules in model/README.md.
 *
 *  W1  A wake-up that comes after the listing was opened is remembered, and ends the next sleep at once.
 *  W2  Connect to the tickets waited for, unless the ticket's member has opened a connection to them before; then list again.
 *  W3  Sleep only if each ticket waited for is of this process, or connected to from here and still there by name.
 *  W4  An answer, the end of a connection and a notification wake.
 *  L   A ticket is dead only if it refuses a connection, and gone only if it has no name. Nothing else is proof.
 *
 * A leaving process unlinks first and then lists, and has a connection from each sleeping waiter: so either the waiter sees that the ticket is gone, or the
 * leaving process sees the waiter.
 */
import type { Cancellation } from '../../requests/cancellation.ts'
import { makeRoom } from '../../requests/idle.ts'
import { debug } from '../../debug.ts'
import { judgeFailure, otherMount } from './platform/liveness.ts'
import type { Member, Reached } from './members/member.ts'
import { memberFile } from './members/member.ts'
import type { QueueState } from './state.ts'
import { sleepFor } from './sleep-for.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { groupByMember } from './ticket.ts'

/** How soon to look again while a ticket waited for doesn't know of us: doubles from the first to the second, in ms. */
const FIRST_LOOK_MS = 1
const SLOWEST_LOOK_MS = 40
/** How many times to connect to a socket that listens and refuses before that is an error: within 600 ms. */
const MOST_REFUSALS = 20

/** See `TicketQueue.anyChange`: returns without sleeping whenever there was something to do first. */
export function awaitChange(
  state: QueueState,
  own: OwnTicket,
  among: readonly ListedTicket[],
  cancellation: Cancellation,
): void | Promise<void> {
  const { view } = state
  const { owner } = own
  let unreached: ListedTicket[] | undefined
  let isKnown = true
  for (let index = 0; index < among.length; index += 1) {
    const ticket = among[index]!
    if (view.isForeign(ticket, true)) return undefined
    if (state.isOwn(ticket)) continue
    // The connection must be that of its own member: another member of this process may go before this ticket does, and a notification names a member.
    const connection = owner.liveConnectionTo(ticket.member)
    if (connection === undefined) (unreached ??= []).push(ticket)
    else if (!connection.isAnswered) {
      if (view.isForeign(ticket)) return undefined
      isKnown = false
    }
  }
  if (unreached !== undefined) return reachAll(state, own, unreached, cancellation)
  // A try looks until it is certain, which is a matter of milliseconds: nobody notifies it.
  if (!own.request.wait) return own.sleep(FIRST_LOOK_MS, cancellation)
  if (!isKnown) return own.sleep(nextLookMs(own), cancellation)
  if (isAnyOutOfTheWay(state, own, among)) {
    // At once the first time. If a file system goes on listing what is gone, the event loop has to turn nevertheless.
    const isFirst = own.unknownLooks === 0
    const ms = nextLookMs(own)
    return isFirst ? undefined : own.sleep(ms, cancellation)
  }
  own.becomeKnown()
  return own.sleepUntilWoken(() => wakeIfChanged(state, own, among), cancellation)
}

/** A listing that isn't of one moment may show a ticket that has left, and miss a ticket that left after it, whose owner doesn't know of us. */
function isAnyOutOfTheWay(state: QueueState, own: OwnTicket, among: readonly ListedTicket[]): boolean {
  for (let index = 0; index < among.length; index += 1) {
    const ticket = among[index]!
    if (!state.isOwn(ticket) && !isInTheWay(state, own, ticket)) return true
  }
  return false
}

/** Looks by name whether a ticket waited for is still there, and, if that matters to `own`, wasn't downgraded. */
function isInTheWay({ directory }: QueueState, own: OwnTicket, { name }: ListedTicket): boolean {
  return directory.has(name) && (own.claim.kind !== 'shared' || !directory.isDowngraded(name))
}

/**
 * Wakes `own` unless all tickets waited for are still there and know of it: then they will notify it. That costs one look at a name for
 * each; a listing of a long queue costs a hundred times as much.
 */
function wakeIfChanged(state: QueueState, own: OwnTicket, among: readonly ListedTicket[]): void {
  const { directory, view } = state
  for (const ticket of among) {
    const isKnown = state.isOwn(ticket) || own.owner.liveConnectionTo(ticket.member)?.isAnswered === true
    if (!isKnown || !isInTheWay(state, own, ticket) || view.lookAt(ticket)) return own.wake()
  }
  if (!directory.has(own.name)) own.wake()
}

async function reachAll(
  state: QueueState,
  own: OwnTicket,
  unreached: readonly ListedTicket[],
  cancellation: Cancellation,
): Promise<void> {
  let pauseMs = 0
  for (const ticket of unreached) pauseMs = Math.max(pauseMs, pauseBefore(own.countReach(ticket.id)))
  if (pauseMs > 0) await sleepFor(pauseMs, cancellation)
  try {
    await Promise.all(groupByMember(unreached).map((tickets) => reachOne(state, own, tickets)))
  } catch (error) {
    // Tickets that could not be reached are reached in the next round.
    makeRoom(error)
  }
}

/**
 * A connection has ended, so its member may have gone: removes its dead tickets behind ours, so that names do not pile up behind a long hold. They
 * never held: each was linked after ours had joined, so each saw ours ahead, alive.
 */
export async function removeDeadBehind(state: QueueState, peer: string): Promise<void> {
  const first = state.own.values().next().value
  if (first === undefined) return
  for (const ticket of state.view.read()) {
    if (ticket.member !== peer || ticket.claim.kind !== 'exclusive' || ticket.name < first.name) continue
    // It is alive: another connection has ended, perhaps of another process that uses its name.
    if (state.isReached(ticket)) continue
    await reach(state, first, ticket)
    if (first.isOver || !state.directory.has(first.name)) return
    if (state.view.dead.has(ticket.name)) state.directory.removeOrMark(ticket.name)
  }
}

/**
 * How long to wait before connecting to the same ticket for the nth time, in ms. A second time is normal
 * (the connection has ended: is the ticket dead?); after that, its backlog is full, or somebody breaks the connection each time.
 */
function pauseBefore(nth: number): number {
  return nth <= 2 ? 0 : Math.min(FIRST_LOOK_MS * 2 ** (nth - 3), SLOWEST_LOOK_MS)
}

/** Connects to a member at one of its tickets: one connection proves all of them alive. */
async function reachOne(state: QueueState, own: OwnTicket, tickets: readonly ListedTicket[]): Promise<void> {
  for (const ticket of tickets) if ((await reach(state, own, ticket)) === 'connected') return
}

export async function reach(state: QueueState, own: OwnTicket, ticket: ListedTicket): Promise<Reached> {
  // It has left, and this process may have left, too: then nothing is opened any more.
  if (own.isOver) return 'gone'
  return await reachBy(state, own.owner, ticket, own.reachesOf(ticket.id))
}

/** @param times how often the ticket has been connected to before. */
export async function reachBy(state: QueueState, member: Member, ticket: ListedTicket, times = 0): Promise<Reached> {
  const { directory, view } = state
  if (view.isForeign(ticket)) return 'gone'
  let reached = await member.connect(state.addressOf(ticket), ticket.member)
  if (reached !== 'connected') {
    const judged = judgeFailure(directory, ticket, reached)
    if (judged === 'elsewhere' && times >= MOST_REFUSALS) throw otherMount(directory, ticket)
    reached = judged === 'elsewhere' ? 'busy' : judged
  }
  ticket.isBusy = reached === 'busy'
  if (reached !== 'refused') return reached
  debug('%s: ticket %s is dead', directory.path, ticket.id)
  state.onDead(ticket)
  directory.removeDeadMember(memberFile(ticket.member, ticket.pid), ticket.name)
  // Dead shared tickets broke nothing: the process that finds one removes it.
  if (ticket.claim.kind === 'shared') directory.removeTicket(ticket.name)
  view.dead.set(ticket.name, ticket)
  return reached
}

/** How soon to look again if a ticket waited for doesn't know of `own` yet, in ms. */
function nextLookMs(own: OwnTicket): number {
  own.unknownLooks += 1
  return Math.min(FIRST_LOOK_MS * 2 ** (own.unknownLooks - 1), SLOWEST_LOOK_MS)
}
