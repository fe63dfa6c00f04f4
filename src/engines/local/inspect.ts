/**
 * `query`: reads the names, then asks each member which requests its tickets stand for. It takes no ticket and affects no request. If a member
 * doesn't answer soon (a blocked event loop), only what its tickets' names say is shown.
 */
import type { EngineSnapshot, Requester } from '../../requests/engine.ts'
import { splitByTurn } from '../../core/standing.ts'
import { isSlocketError, systemCode } from '../../errors.ts'
import { snapshotOf } from '../../requests/snapshot.ts'
import type { HoldingTicket } from './break.ts'
import { connectTo } from './wire/connect.ts'
import { onAbort } from '../../requests/on-abort.ts'
import type { QueueDirectory } from './directory.ts'
import { findObstacle } from './occupant/foreign.ts'
import { DirectoryGone } from './lock-directory.ts'
import { formatFrame, LineSplitter, MAX_PARTY_BYTES, parseFrame } from './wire/frames.ts'
import { wallClockMs } from './platform/kernel.ts'
import { addressOfTicket } from './members/ticket-address.ts'
import { proofOfRefusal } from './platform/liveness.ts'
import { refuseOtherContent } from './occupant/other-content.ts'
import type { Answer } from './party-json.ts'
import { ownCommand, parseParty, requestersBy } from './party-json.ts'
import { QueueView } from './view.ts'
import { SocketAddresses } from './platform/socket-addresses.ts'
import { toSlocketError } from './platform/system-error.ts'
import { witness } from './platform/witness.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { threadIdentity } from '../../thread-identity.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** How long a member has to answer, in ms, by default. */
const ANSWER_MS = 200
/** How many members to ask at once. */
const AT_ONCE = 200

type Reply = { readonly kind: 'alive'; readonly answer: Answer | undefined } | { readonly kind: 'dead' | 'gone' }

/** The member is alive, or may be, and has not answered. */
const UNKNOWN: Reply = { kind: 'alive', answer: undefined }
/** The same, and it has closed the connection: it was leaving, or died, or ran out of descriptors. */
const CLOSED: Reply = { kind: 'alive', answer: undefined }

/** How to look. */
export interface Inspection {
  /** Returns the client of a ticket, if it is known. */
  readonly clientOf?: (ticket: ListedTicket) => string
  /** How long a member has to answer, in ms. */
  readonly answerMs?: number
  /** When it aborts, the look stops waiting, and returns what is known by then. */
  readonly signal?: AbortSignal | undefined
}

/** A queue to look at. */
interface Inspected {
  readonly directory: QueueDirectory
  /** The tickets of this process, by id; those of other queues may be among them. */
  readonly own: ReadonlyMap<string, OwnTicket>
}

/** A ticket, and where it was seen. */
interface Place {
  readonly directory: QueueDirectory
  readonly ticket: ListedTicket
}

/** @param own the tickets of this process in the queue, by id, at the time of the call: right before the listing. */
export async function inspect(
  directory: QueueDirectory,
  own: () => ReadonlyMap<string, OwnTicket>,
  inspection: Inspection,
): Promise<EngineSnapshot> {
  const obstacle = await findObstacle(directory)
  // If somebody puts something else into the directory of a lock, the requests in its queue go on.
  if (obstacle !== undefined && obstacle.kind !== 'directory') return { held: [], pending: [], obstacle }
  const snapshot = (await inspectQueues([{ directory, own: own() }], inspection))[0]!
  return obstacle === undefined ? snapshot : { ...snapshot, obstacle }
}

/** Looks at several queues, and asks each of their members once. */
export async function inspectQueues(queues: readonly Inspected[], inspection: Inspection): Promise<EngineSnapshot[]> {
  const listings = queues.map(({ directory, own }) => {
    return new QueueView(directory, own, () => true).read()
  })
  const others = queues.flatMap(({ directory, own }, index) =>
    listings[index]!.filter((ticket) => !own.has(ticket.id)).map((ticket) => ({ directory, ticket })),
  )
  const { clientOf } = inspection
  // They are distinguished by object: ids in two queues may be the same.
  const replies = await askAll(others, inspection)
  return queues.map(({ directory, own }, index) => {
    const listing = listings[index]!
    const alive = listing.filter((ticket) => own.has(ticket.id) || isThere({ directory, ticket }, replies.get(ticket)))
    const holding = new Set(splitByTurn(alive).held)
    return snapshotOf(alive, (ticket) => {
      const requesters = requestersOf(ticket, own.get(ticket.id), replies.get(ticket), clientOf?.(ticket))
      // A ticket that has its turn is shown, even if its member says (as a stranger may) that no request stands there.
      if (requesters.length > 0 || !holding.has(ticket) || own.has(ticket.id)) return requesters
      return [byName(ticket, undefined, clientOf?.(ticket))]
    })
  })
}

/** A ticket that its member does not mention, or whose member does not answer, may have left since the listing. */
function isThere({ directory, ticket }: Place, reply: Reply | undefined): boolean {
  if (reply?.kind !== 'alive') return false
  return reply.answer?.tickets.has(ticket.id) === true || directory.has(ticket.name)
}

async function askAll(places: readonly Place[], inspection: Inspection): Promise<Map<ListedTicket, Reply>> {
  const byMember = new Map<string, Place[]>()
  for (const place of places) {
    const ofOne = byMember.get(place.ticket.member)
    if (ofOne === undefined) byMember.set(place.ticket.member, [place])
    else ofOne.push(place)
  }
  const replies = new Map<ListedTicket, Reply>()
  const members = [...byMember.values()]
  for (let first = 0; first < members.length; first += AT_ONCE) {
    await Promise.all(members.slice(first, first + AT_ONCE).map((ofOne) => askMember(ofOne, inspection, replies)))
  }
  return replies
}

/** Asks a member once: through its first ticket, or, if that is dead or gone, through the next. */
async function askMember(
  places: readonly Place[],
  inspection: Inspection,
  replies: Map<ListedTicket, Reply>,
): Promise<void> {
  let alive: Reply | undefined
  for (const place of places) {
    const reply = alive ?? (await askAt(place, inspection))
    if (reply.kind === 'alive') alive = reply
    replies.set(place.ticket, reply)
  }
}

async function askAt({ directory, ticket }: Place, inspection: Inspection): Promise<Reply> {
  if (inspection.signal?.aborted === true) return UNKNOWN
  const address = addressOfTicket(directory, ticket)
  const addresses = new SocketAddresses(address.directory)
  const askOnce = (): Promise<Reply> => ask(directory, addresses.of(address.name), ticket, inspection)
  try {
    const reply = await askOnce()
    // The second attempt to connect tells whether it has left or died.
    return reply === CLOSED ? await askOnce() : reply
  } catch (error) {
    if (error instanceof DirectoryGone) return { kind: 'gone' }
    throw error
  } finally {
    addresses.close()
  }
}

/** Returns the tickets that hold. @param own as for `inspect`. @throws ERR_SLOCKET_NOT_A_LOCK; what a system error means. */
export async function findHolders(
  directory: QueueDirectory,
  own: () => ReadonlyMap<string, OwnTicket> = () => new Map(),
): Promise<HoldingTicket[]> {
  if (directory.occupant() !== 'directory') return []
  refuseOtherContent(directory.path)
  const ownTickets = own()
  const listing = new QueueView(directory, ownTickets, () => true).read()
  const others = listing.filter((ticket) => !ownTickets.has(ticket.id)).map((ticket) => ({ directory, ticket }))
  const replies = await askAll(others, {})
  const alive = listing.filter((ticket) => ownTickets.has(ticket.id) || replies.get(ticket)?.kind === 'alive')
  return splitByTurn(alive).held.map((ticket) => {
    const requesters = requestersOf(ticket, ownTickets.get(ticket.id), replies.get(ticket), undefined)
    const holders = ticket.claim.kind === 'shared' ? requesters : requesters.slice(0, 1)
    return { name: ticket.name, holders: holders.length > 0 ? holders : [byName(ticket, undefined, undefined)] }
  })
}

/** Connects without saying who it is, and asks. */
function ask(
  directory: QueueDirectory,
  address: string,
  ticket: ListedTicket,
  { answerMs = ANSWER_MS, signal }: Inspection,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const splitter = new LineSplitter(MAX_PARTY_BYTES)
    const socket = connectTo(address, (error) => {
      if (error === null) return void socket.write(formatFrame({ kind: 'who' }), 'latin1')
      try {
        end(judge(directory, ticket, error))
      } catch (unexpected) {
        stop()
        reject(unexpected)
      }
    })
    const end = (reply: Reply): void => {
      stop()
      socket.destroy()
      resolve(reply)
    }
    // Connecting doesn't need the other side's event loop; answering does.
    const timer = setTimeout(() => end(UNKNOWN), answerMs)
    const stopListening = signal && onAbort(signal, () => end(UNKNOWN))
    const stop = (): void => {
      clearTimeout(timer)
      stopListening?.()
    }
    socket.on('data', (chunk: Buffer) => {
      const lines = splitter.push(chunk.toString('latin1'))
      if (lines?.length === 0) return
      const frame = parseFrame(lines?.[0] ?? '')
      end({ kind: 'alive', answer: frame?.kind === 'party' ? parseParty(frame.json) : undefined })
    })
    socket.on('error', () => end(CLOSED))
    socket.on('close', () => end(CLOSED))
  })
}

function judge(directory: QueueDirectory, ticket: ListedTicket, error: Error): Reply {
  const code = systemCode(error)
  if (code === 'EMFILE' || code === 'ENFILE') throw toSlocketError(error, 'ask who holds', directory.path)
  const found = look(directory, ticket)
  if (found !== undefined) return found === 'alive' ? UNKNOWN : { kind: found }
  switch (code) {
    case 'ECONNREFUSED':
      return proofOfRefusal(directory, ticket) === 'dead' ? { kind: 'dead' } : UNKNOWN
    case 'ENOENT':
    case 'ENOTDIR':
      return { kind: 'gone' }
    default:
      // Its backlog is full, it is another user's, or it left while being asked: none of that means that it is dead.
      return UNKNOWN
  }
}

/** A ticket that this user may not look at may be alive. */
function look(directory: QueueDirectory, ticket: ListedTicket): 'alive' | 'dead' | 'gone' | undefined {
  try {
    return witness.look(directory.pathOf(ticket.name))
  } catch (error) {
    if (isSlocketError(error, 'ERR_SLOCKET_PERMISSION')) return 'alive'
    throw error
  }
}

function requestersOf(
  ticket: ListedTicket,
  own: OwnTicket | undefined,
  reply: Reply | undefined,
  client: string | undefined,
): Requester[] {
  const { claim, pid } = ticket
  if (own !== undefined) {
    return requestersBy(own).map((member) => ({ claim, pid, ...member, command: ownCommand(), self: true, client }))
  }
  const answer = reply?.kind === 'alive' ? reply.answer : undefined
  const command = answer?.command
  const self = answer?.standsFor !== undefined && answer.standsFor === threadIdentity()
  // No request is shown: it is the ticket of a try, which does not wait.
  const members = answer?.tickets.get(ticket.id)
  if (members !== undefined) {
    const sinceNs = BigInt(ticket.number)
    return members.map((member) => ({
      claim,
      pid,
      ...member,
      sinceNs: member.sinceNs ?? sinceNs,
      command,
      self,
      client,
    }))
  }
  return [byName(ticket, command, client)]
}

/** What is known of a ticket without an answer of its member. */
function byName(
  { claim, pid, number }: ListedTicket,
  command: string | undefined,
  client: string | undefined,
): Requester {
  const sinceMs = wallClockMs(number)
  return { claim, pid, sinceMs, sinceNs: BigInt(number), label: undefined, command, self: false, client }
}
