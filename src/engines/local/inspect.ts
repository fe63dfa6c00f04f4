/**
 * `query`: reads the names, then asks each member whom its tickets stand for. It takes no ticket and disturbs nobody; who
 * does not answer soon (a blocked event loop) is shown by what its name tells.
 */
import { clearTimeout, setTimeout } from 'node:timers'
import type { EngineSnapshot, Requester } from '../../contract/engine.ts'
import { systemCode } from '../../errors.ts'
import { snapshotOf } from '../../recipe/snapshot.ts'
import { builtInNet } from './built-in.ts'
import type { QueueDirectory } from './directory.ts'
import { DirectoryGone } from './directory.ts'
import { formatFrame, LineSplitter, MAX_PARTY_BYTES, parseFrame } from './frames.ts'
import { wallClockMs } from './kernel.ts'
import { isProvenDead } from './liveness.ts'
import { refuseOtherContent } from './other-content.ts'
import type { Answer } from './party-json.ts'
import { ownCommand, parseParty } from './party-json.ts'
import { QueueView } from './queue-view.ts'
import { SocketAddresses } from './short-path.ts'
import { toSlocketError } from './system-error.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'

/** How long a member has to answer, in ms. */
const ANSWER_MS = 200
/** How many members are asked at once. */
const AT_ONCE = 200

type Reply = { readonly kind: 'alive'; readonly answer: Answer | undefined } | { readonly kind: 'dead' | 'gone' }

/** @param own the tickets of this process in the queue, by id. */
export async function inspect(directory: QueueDirectory, own: ReadonlyMap<string, OwnTicket>): Promise<EngineSnapshot> {
  if (directory.occupant() !== 'directory') return { held: [], pending: [] }
  refuseOtherContent(directory.path)
  const view = new QueueView(
    directory,
    (id) => own.has(id),
    () => true,
  )
  const addresses = new SocketAddresses(directory.path)
  try {
    const listing = view.read()
    const others = listing.filter((ticket) => !own.has(ticket.id))
    const replies = await askAll(directory, addresses, others)
    const alive = listing.filter((ticket) => own.has(ticket.id) || replies.get(ticket.id)?.kind === 'alive')
    return snapshotOf(alive, (ticket) => requestersOf(ticket, own.get(ticket.id), replies.get(ticket.id)))
  } catch (error) {
    if (error instanceof DirectoryGone) return { held: [], pending: [] }
    throw error
  } finally {
    addresses.close()
  }
}

async function askAll(
  directory: QueueDirectory,
  addresses: SocketAddresses,
  tickets: readonly ListedTicket[],
): Promise<Map<string, Reply>> {
  const byMember = new Map<string, ListedTicket[]>()
  for (const ticket of tickets) byMember.set(ticket.member, [...(byMember.get(ticket.member) ?? []), ticket])
  const replies = new Map<string, Reply>()
  const members = [...byMember.values()]
  for (let first = 0; first < members.length; first += AT_ONCE) {
    const some = members.slice(first, first + AT_ONCE)
    await Promise.all(some.map((ticketsOfOne) => askMember(directory, addresses, ticketsOfOne, replies)))
  }
  return replies
}

/** Asks a member once: by its first ticket, or, where that is dead or gone, by the next. */
async function askMember(
  directory: QueueDirectory,
  addresses: SocketAddresses,
  tickets: readonly ListedTicket[],
  replies: Map<string, Reply>,
): Promise<void> {
  let alive: Reply | undefined
  for (const ticket of tickets) {
    const reply = alive ?? (await ask(directory, addresses.of(ticket.name), ticket))
    if (reply.kind === 'alive') alive = reply
    replies.set(ticket.id, reply)
  }
}

/** Connects as a visitor, who does not say who it is, and asks. */
function ask(directory: QueueDirectory, address: string, ticket: ListedTicket): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const splitter = new LineSplitter(MAX_PARTY_BYTES)
    const socket = builtInNet().connect({ path: address })
    const end = (reply: Reply): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(reply)
    }
    // Connecting needs no help of the other side's event loop; answering does.
    const timer = setTimeout(() => end({ kind: 'alive', answer: undefined }), ANSWER_MS)
    socket.once('connect', () => socket.write(formatFrame({ kind: 'who' }), 'latin1'))
    socket.on('close', () => end({ kind: 'alive', answer: undefined }))
    socket.on('data', (chunk: Buffer) => {
      const lines = splitter.push(chunk)
      if (lines?.length === 0) return
      const frame = parseFrame(lines?.[0] ?? '')
      end({ kind: 'alive', answer: frame?.kind === 'party' ? parseParty(frame.json) : undefined })
    })
    socket.on('error', (error) => {
      try {
        end(judge(directory, ticket, error))
      } catch (unexpected) {
        clearTimeout(timer)
        reject(unexpected)
      }
    })
  })
}

function judge(directory: QueueDirectory, ticket: ListedTicket, error: Error): Reply {
  switch (systemCode(error)) {
    case 'ECONNREFUSED':
      return isProvenDead(directory, ticket) ? { kind: 'dead' } : { kind: 'alive', answer: undefined }
    case 'ENOENT':
      return { kind: 'gone' }
    case 'EMFILE':
    case 'ENFILE':
      throw toSlocketError(error, 'ask who holds', directory.path)
    default:
      // Its backlog is full, it is another user's, it went while being asked: none of that is death.
      return { kind: 'alive', answer: undefined }
  }
}

function requestersOf(ticket: ListedTicket, own: OwnTicket | undefined, reply: Reply | undefined): Requester[] {
  const { claim, pid } = ticket
  if (own !== undefined) {
    return own.request.party().map((member) => ({ claim, pid, ...member, command: ownCommand(), self: true }))
  }
  const answer = reply?.kind === 'alive' ? reply.answer : undefined
  const command = answer?.command
  const members = answer?.tickets.get(ticket.id) ?? []
  if (members.length > 0) return members.map((member) => ({ claim, pid, ...member, command, self: false }))
  return [{ claim, pid, sinceMs: wallClockMs(ticket.number), label: undefined, command, self: false }]
}
