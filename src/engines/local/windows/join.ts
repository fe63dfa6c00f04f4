/**
 * J, join: make a ticket, then list. If the listing shows anything behind the ticket, withdraw and join again with a higher number; otherwise it has
 * joined, and every process that makes a ticket after that listing sees it. Unlike on Linux, that two never hold doesn't depend on this: turn.ts.
 */
import { isExiting } from '../../../requests/exiting.ts'
import { isOutOfDescriptors, makeRoom } from '../../../requests/idle.ts'
import type { EnqueueRequest } from '../../../requests/ticket-queue.ts'
import type { Claim } from '../../../core/claim.ts'
import { decideTurn } from '../../../core/turn.ts'
import { debug } from '../../../debug.ts'
import { thiefNumber } from '../names/thief-number.ts'
import { sleepFor } from '../sleep-for.ts'
import { formatTicketName, ticketId } from '../ticket-name.ts'
import { monotonicNowMs, setImmediate } from '../../../real-time.ts'
import { DENIED_MS, DirectoryDenied } from './guard.ts'
import { withdraw } from './leave.ts'
import { steal, watch } from './lost.ts'
import { ObstacleWait } from './obstacle-wait.ts'
import type { QueueState } from './state.ts'
import type { MadeTicket } from './ticket.ts'
import { formatFlags, OwnTicket } from './ticket.ts'
import { listTurn } from './turn.ts'

/** The longest random pause before joining again, in ms; the first ones are shorter. */
const LONGEST_PAUSE_MS = 16

/** Joins in one go if the process is present; undefined if it has to be tried again, by {@link joinSlowly}. */
export function join(state: QueueState, request: EnqueueRequest): OwnTicket | undefined {
  const { bell } = state.presence
  if (bell === undefined) return undefined
  const made = makeTicket(state, {
    claim: request.claim,
    member: bell.member,
    kind: request.steal ? 'stealing' : 'waiting',
  })
  return made === undefined ? undefined : confirmJoin(state, new OwnTicket(made, request))
}

/** Lists after the ticket was made, and decides whether it has joined. */
function confirmJoin(state: QueueState, own: OwnTicket): OwnTicket | undefined {
  state.own.set(own.id, own)
  try {
    if (hasJoined(state, own)) return own
  } catch (error) {
    withdraw(state, own)
    throw error
  }
  debug('%s: ticket %s withdraws, another one is behind it', state.directory.path, own.id)
  withdraw(state, own)
  return undefined
}

function hasJoined(state: QueueState, own: OwnTicket): boolean {
  const { directory, view } = state
  view.list()
  if (view.allWithTidying().some(({ knowsMadeHere }) => knowsMadeHere)) directory.guards.isMadeHere = true
  if (own.request.steal ? view.all()[0] !== own : !view.endsWith([own])) {
    const last = view.last()
    if (last !== undefined) state.numbers.see(last.number)
    return false
  }
  directory.keepName(view.names)
  own.joinListing = view.ahead(own)
  watch(state, false)
  debug('%s: ticket %s joined, place %d', directory.path, own.id, view.all().length)
  if (own.request.steal) steal(state, own)
  return true
}

/**
 * Joins if the queue is empty, and has the lock, without a turn of the event loop. Otherwise, or if something has to be waited for, undefined, and nothing
 * is left behind.
 */
export function joinIfFree(state: QueueState, request: EnqueueRequest): OwnTicket | undefined {
  if (isExiting()) return undefined
  let own: OwnTicket | undefined
  try {
    if (isEmpty(state) && state.presence.open() === 'open') own = join(state, request)
    if (own !== undefined && decideTurn(own, listTurn(state, own)).kind === 'held') return own
  } catch (error) {
    if (own !== undefined) withdraw(state, own)
    if (!(error instanceof DirectoryDenied) && !isOutOfDescriptors(error)) throw error
    return undefined
  } finally {
    if (own === undefined) state.presence.onLeft(request.lingerMs)
  }
  if (own !== undefined) withdraw(state, own)
  return undefined
}

/** Makes what is missing, waits until what is foreign has gone, and joins. Null as `TicketQueue.enqueue` says. */
export async function joinSlowly(state: QueueState, request: EnqueueRequest): Promise<OwnTicket | null> {
  let own: OwnTicket | null = null
  // Asked for by a listener for `exit`: there is no next turn of the event loop, unless the process goes on after all.
  if (isExiting()) await new Promise((resolve) => setImmediate(resolve))
  state.presence.joining += 1
  const obstacle = new ObstacleWait(state.directory)
  try {
    own = await joinByRounds(state, request, obstacle)
    return own
  } finally {
    state.presence.joining -= 1
    obstacle.stop()
    if (own === null) state.presence.onLeft(request.lingerMs)
  }
}

async function joinByRounds(
  state: QueueState,
  request: EnqueueRequest,
  obstacle: ObstacleWait,
): Promise<OwnTicket | null> {
  let deniedSinceMs: number | undefined
  // Bound: a round fails only because others have joined or left meanwhile, because something foreign is there, because what was idle in this
  // process had to make room, or for DENIED_MS.
  for (let round = 0; !request.cancellation.cancelled; round += 1) {
    try {
      if (state.presence.open() === 'foreign') {
        if (!request.wait) return null
        await obstacle.wait(request.cancellation)
        continue
      }
      const own = join(state, request)
      if (own !== undefined) return own
      deniedSinceMs = undefined
    } catch (error) {
      if (error instanceof DirectoryDenied) {
        deniedSinceMs ??= monotonicNowMs()
        if (monotonicNowMs() - deniedSinceMs > DENIED_MS) throw error.cause
      } else makeRoom(error)
    }
    // Random, so that two who disturb each other do not go on doing so.
    if (round > 0) await sleepFor(Math.random() * Math.min(2 ** round, LONGEST_PAUSE_MS))
  }
  return null
}

/** What a ticket is made for. */
interface Purpose {
  readonly claim: Claim
  readonly member: string
  readonly kind: 'waiting' | 'stealing' | 'tidying'
}

/** Undefined if the directory is gone. @throws DirectoryDenied; what a system error means. */
export function makeTicket(state: QueueState, { claim, member, kind }: Purpose): MadeTicket | undefined {
  const { directory } = state
  const number = kind === 'stealing' ? numberOfThief(state) : state.numbers.next(member, state)
  const id = ticketId(number, member)
  const kernel = formatFlags({ isMadeHere: directory.guards.isMadeHere, tidies: kind === 'tidying' })
  const parsed = { id, number, claim, pid: process.pid, member, kernel }
  const name = formatTicketName(parsed)
  const descriptor = directory.makeTicket(name)
  return descriptor === undefined ? undefined : { name, parsed, descriptor }
}

function numberOfThief({ view }: QueueState): string {
  view.list()
  return thiefNumber(view.all()[0]?.number)
}

function isEmpty({ view }: QueueState): boolean {
  view.list()
  return view.last() === undefined
}
