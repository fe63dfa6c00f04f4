/** What a member sends about the requests that its tickets stand for: written by one process, read by another, and never trusted. */
import type { EnqueueRequest, QueuedRequest } from '../../requests/ticket-queue.ts'
import { MAX_PARTY_BYTES } from './wire/frames.ts'
import { toSharedNs } from './platform/kernel.ts'
import { actsFor } from '../../thread-identity.ts'

/** How many requests of one ticket are sent. */
const MOST_PER_TICKET = 1000
/** The longest command line, and the longest label, that is sent or accepted. */
const MOST_COMMAND = 1000
const MOST_LABEL = 200
/** The range of a Date, in ms before and after 1970. */
const MOST_MS = 8.64e15
/** A time of the clock that all processes share, in ns: as long as the number of a ticket may be. */
const MOMENT = /^\d{1,19}$/

const END = '}}'

export interface Answer {
  readonly pid: number
  readonly command: string
  /** The requests of each ticket, by ticket id. */
  readonly tickets: ReadonlyMap<string, readonly QueuedRequest[]>
  /** The thread for which it has them, if it is a worker: see thread-identity.ts. */
  readonly standsFor: string | undefined
}

/** A ticket of this process, as far as it is shown to others. */
interface ToldTicket {
  readonly id: string
  readonly isHeld: boolean
  readonly request: Pick<EnqueueRequest, 'wait' | 'requests'>
}

/** The requests of a ticket. A try that does not hold only looks: it does not wait. */
export function requestersBy({ request, isHeld }: ToldTicket): readonly QueuedRequest[] {
  return request.wait || isHeld ? request.requests().map(inSharedTime) : []
}

function inSharedTime({ sinceMs, sinceNs, label, identity }: QueuedRequest): QueuedRequest {
  const facts = { sinceMs, sinceNs: sinceNs === undefined ? undefined : toSharedNs(sinceNs), label }
  return identity === undefined ? facts : { ...facts, identity }
}

/** Describes this process, as JSON. */
export function ownCommand(): string {
  return process.argv.join(' ').slice(0, MOST_COMMAND)
}

/** Returns as many of `tickets` as there is room for. */
export function formatParty(tickets: Iterable<ToldTicket>): string {
  const standsFor = actsFor()
  const place = standsFor === undefined ? '' : `"for":${toAscii(standsFor)},`
  const head = `{"pid":${process.pid},"command":${toAscii(ownCommand())},${place}"tickets":{`
  const entries: string[] = []
  let room = MAX_PARTY_BYTES - 'party '.length - head.length - END.length
  for (const own of tickets) {
    const members = requestersBy(own).slice(0, MOST_PER_TICKET)
    const entry = `"${own.id}":${toAscii(members.map(toJson))}`
    room -= entry.length + ','.length
    if (room < 0) break
    entries.push(entry)
  }
  return `${head}${entries.join(',')}${END}`
}

function toJson({ sinceMs, sinceNs, label }: QueuedRequest): object {
  // JSON numbers don't have enough digits.
  return { since: sinceMs, ns: sinceNs === undefined ? undefined : String(sinceNs), label }
}

/** Undefined if the text isn't such an answer. */
export function parseParty(json: string): Answer | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined
  }
  if (!isRecord(value) || !isRecord(value['tickets'])) return undefined
  const { pid, command, for: place } = value
  if (typeof pid !== 'number' || typeof command !== 'string') return undefined
  const tickets = new Map<string, QueuedRequest[]>()
  for (const [id, members] of Object.entries(value['tickets'])) {
    if (!Array.isArray(members)) return undefined
    const parsed = members.flatMap(parseMember)
    // A malformed answer is ignored: it must not hide the ticket.
    if (parsed.length > 0 || members.length === 0) tickets.set(id, parsed)
  }
  const standsFor = typeof place === 'string' ? place : undefined
  return { pid, command: command.slice(0, MOST_COMMAND), tickets, standsFor }
}

function parseMember(value: unknown): QueuedRequest[] {
  if (!isRecord(value)) return []
  const { since, ns, label } = value
  if (typeof since !== 'number' || !(Math.abs(since) <= MOST_MS)) return []
  const sinceNs = typeof ns === 'string' && MOMENT.test(ns) ? BigInt(ns) : undefined
  return [{ sinceMs: since, sinceNs, label: typeof label === 'string' ? label.slice(0, MOST_LABEL) : undefined }]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JSON of printable ASCII only: one frame is one line of bytes. */
function toAscii(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
