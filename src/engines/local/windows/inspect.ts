/** `query` on Windows: reads the names, then asks each member over its pipe which requests its tickets stand for. It takes no ticket and disturbs nobody. */
import type { EngineSnapshot, Requester } from '../../../requests/engine.ts'
import { refuseObstacle } from '../../../requests/obstacle.ts'
import { onAbort } from '../../../requests/on-abort.ts'
import { snapshotOf } from '../../../requests/snapshot.ts'
import { splitByTurn } from '../../../core/standing.ts'
import { setTimeout, clearTimeout, monotonicNowMs, sleep } from '../../../real-time.ts'
import { threadIdentity } from '../../../thread-identity.ts'
import type { HoldingTicket } from '../break.ts'
import type { Answer } from '../party-json.ts'
import { ownCommand, parseParty, requestersBy } from '../party-json.ts'
import { builtInNet } from '../platform/built-in.ts'
import { wallClockMs } from '../platform/kernel.ts'
import { formatFrame, LineSplitter, MAX_PARTY_BYTES, parseFrame } from '../wire/frames.ts'
import { pipeOf } from './bell.ts'
import type { WindowsDirectory } from './directory.ts'
import { isDenied } from './held-file.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { QueueView } from './view.ts'

/** How long a member has to answer, in ms, by default. */
const ANSWER_MS = 200
/** How often to look whether a ticket goes whose member has just closed its pipe, in ms. */
const ENDING_LOOK_MS = 5

/** How to look. */
export interface Inspection {
  /** Returns the client of a ticket, if it is known. */
  readonly clientOf?: (ticket: ListedTicket) => string
  /** How long a member has to answer, in ms. */
  readonly answerMs?: number
  /** When it aborts, no member's answer is waited for any more. */
  readonly signal?: AbortSignal | undefined
}

/** @param own the tickets of this thread in the queue, by id. */
export async function inspect(
  directory: WindowsDirectory,
  own: () => ReadonlyMap<string, OwnTicket>,
  inspection: Inspection,
): Promise<EngineSnapshot> {
  const { clientOf } = inspection
  const obstacle = directory.obstacle()
  if (obstacle !== undefined && obstacle.kind !== 'directory') return { held: [], pending: [], obstacle }
  const queue = await look(directory, own(), inspection)
  const holding = new Set(splitByTurn(queue.standing).held)
  const snapshot = snapshotOf(queue.standing, (ticket) => {
    const requesters = queue.requestersOf(ticket)
    // A ticket that has its turn is shown, even if its member says that no request stands there.
    const isShown = requesters.length > 0 || !holding.has(ticket) || queue.isOwn(ticket)
    const shown = isShown ? requesters : [byName(ticket, undefined)]
    return clientOf === undefined ? shown : shown.map((requester) => ({ ...requester, client: clientOf(ticket) }))
  })
  return obstacle === undefined ? snapshot : { ...snapshot, obstacle }
}

/** The tickets that hold. @param own as of `inspect`. @throws ERR_SLOCKET_NOT_A_LOCK; what a system error means. */
export async function findHolders(
  directory: WindowsDirectory,
  own: () => ReadonlyMap<string, OwnTicket>,
): Promise<HoldingTicket[]> {
  const obstacle = directory.obstacle()
  if (obstacle?.kind === 'directory') refuseObstacle(obstacle)
  if (obstacle !== undefined) return []
  const queue = await look(directory, own(), {})
  return splitByTurn(queue.standing).held.map((ticket) => {
    const requesters = queue.requestersOf(ticket)
    const holders = ticket.claim.kind === 'shared' ? requesters : requesters.slice(0, 1)
    return { name: ticket.name, holders: holders.length > 0 ? holders : [byName(ticket, undefined)] }
  })
}

/** What one look at a queue has shown. */
interface Look {
  /** The tickets in it, in their order. */
  readonly standing: readonly ListedTicket[]
  isOwn(ticket: ListedTicket): boolean
  requestersOf(ticket: ListedTicket): Requester[]
}

async function look(
  directory: WindowsDirectory,
  own: ReadonlyMap<string, OwnTicket>,
  inspection: Inspection,
): Promise<Look> {
  const view = new QueueView(directory, own)
  view.list()
  const listing = view.all().filter((ticket) => own.has(ticket.id) || view.lookAt(ticket) === 'open')
  const { answers, closed } = await askAll(
    new Set(listing.filter(({ id }) => !own.has(id)).map(({ member }) => member)),
    inspection,
  )
  const ending = { untilMs: monotonicNowMs() + (inspection.answerMs ?? ANSWER_MS), signal: inspection.signal }
  const standing: ListedTicket[] = []
  for (const ticket of listing) {
    const { id, member } = ticket
    const isMentioned = own.has(id) || answers.get(member)?.tickets.has(id) === true
    // A ticket that its member does not mention, or whose member does not answer, may have left since the listing.
    const stands =
      isMentioned || (closed.has(member) ? await staysOpen(view, ticket, ending) : view.lookAt(ticket) === 'open')
    if (stands) standing.push(ticket)
  }
  return {
    standing,
    isOwn: ({ id }) => own.has(id),
    requestersOf: (ticket) => {
      const mine = own.get(ticket.id)
      return mine === undefined ? requestersOf(ticket, answers.get(ticket.member)) : requestersOfOwn(mine)
    },
  }
}

/**
 * Whether somebody goes on having the ticket open, though its member has closed its pipe. If the process or thread is ending, its files are closed one after
 * the other, and the ticket may come last.
 */
async function staysOpen(
  view: QueueView,
  ticket: ListedTicket,
  { untilMs, signal }: { readonly untilMs: number; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  while (view.lookAt(ticket) === 'open') {
    if (signal?.aborted === true || monotonicNowMs() > untilMs) return true
    await sleep(ENDING_LOOK_MS)
  }
  return false
}

interface Answers {
  /** By member. */
  readonly answers: Map<string, Answer>
  /** Members that have closed their pipe, before it was reached or without an answer. */
  readonly closed: Set<string>
}

async function askAll(members: ReadonlySet<string>, inspection: Inspection): Promise<Answers> {
  const answers = new Map<string, Answer>()
  const closed = new Set<string>()
  await Promise.all(
    [...members].map(async (member) => {
      const answer = inspection.signal?.aborted === true ? undefined : await ask(member, inspection)
      if (answer === 'closed') closed.add(member)
      else if (answer !== undefined) answers.set(member, answer)
    }),
  )
  return { answers, closed }
}

/**
 * Connects without saying who this process is, and asks. Undefined if there is no answer in time, or this user may not ask.
 *
 * Any other failure counts as `closed`, also before the connection is there (libuv's src/win/pipe.c and error.c): ENOENT means that the pipe is gone,
 * EPIPE and EOF that it was closed as soon as it was opened. That proves nothing, since a member may have no pipe at all. If the pipe is there, but all its
 * instances are in use, libuv waits for one, for longer than a member has to answer.
 */
function ask(member: string, { answerMs = ANSWER_MS, signal }: Inspection): Promise<Answer | 'closed' | undefined> {
  return new Promise((resolve) => {
    const splitter = new LineSplitter(MAX_PARTY_BYTES)
    const socket = builtInNet().connect({ path: pipeOf(member) })
    const end = (answer: Answer | 'closed' | undefined): void => {
      clearTimeout(timer)
      stopListening?.()
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end(undefined), answerMs)
    const stopListening = signal && onAbort(signal, () => end(undefined))
    socket.write(formatFrame({ kind: 'who' }), 'latin1')
    socket.on('data', (chunk: Buffer) => {
      const lines = splitter.push(chunk.toString('latin1'))
      if (lines?.length === 0) return
      const frame = parseFrame(lines?.[0] ?? '')
      end(frame?.kind === 'party' ? parseParty(frame.json) : undefined)
    })
    socket.on('error', (error) => end(isDenied(error) ? undefined : 'closed'))
    socket.on('close', () => end('closed'))
  })
}

function requestersOfOwn(own: OwnTicket): Requester[] {
  const { claim, pid } = own
  return requestersBy(own).map((requester) => ({ claim, pid, ...requester, command: ownCommand(), self: true }))
}

function requestersOf(ticket: ListedTicket, answer: Answer | undefined): Requester[] {
  const { claim, pid } = ticket
  const requesters = answer?.tickets.get(ticket.id)
  if (answer === undefined || requesters === undefined) return [byName(ticket, answer?.command)]
  const { command, standsFor } = answer
  const self = standsFor !== undefined && standsFor === threadIdentity()
  const sinceNs = BigInt(ticket.number)
  return requesters.map((one) => ({ claim, pid, ...one, sinceNs: one.sinceNs ?? sinceNs, command, self }))
}

/** What is known without the help of its member. */
function byName({ claim, pid, number }: ListedTicket, command: string | undefined): Requester {
  const sinceMs = wallClockMs(number)
  return { claim, pid, sinceMs, sinceNs: BigInt(number), label: undefined, command, self: false }
}
