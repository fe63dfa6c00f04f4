/** What a member tells of those that its tickets stand for: written by one process, read by another, trusted by none. */
import type { EnqueueRequest, QueuedRequest } from '../../requests/ticket-queue.ts'
import { MAX_PARTY_BYTES } from './wire/frames.ts'
import { toSharedNs } from './platform/kernel.ts'
import { actsFor } from '../../thread-identity.ts'

/** How many of those who stand by one ticket are told of. */
const MOST_PER_TICKET = 1000
/** The longest command line, and the longest label, that is told or believed. */
const MOST_COMMAND = 1000
const MOST_LABEL = 200
/** The moments that a Date can hold, in ms before and after 1970. */
const MOST_MS = 8.64e15
/** A moment of the clock that all processes share, in ns: as long as the number of a ticket may be. */
const MOMENT = /^\d{1,19}$/

/** How the JSON ends, where all tickets are in it, and where not. */
const ENDS = { whole: '},"whole":true}', part: '},"whole":false}' }

export interface Answer {
  readonly pid: number
  readonly command: string
  /** Those who stand by each ticket, by ticket id. */
  readonly tickets: ReadonlyMap<string, readonly QueuedRequest[]>
  /** In whose place it has them, where it is a worker: see thread-identity.ts. */
  readonly standsFor: string | undefined
  /** Whether there was room for all of them: one that is missing then has left. */
  readonly isWhole: boolean
}

/** A ticket of this process, as far as others are told of it. */
interface ToldTicket {
  readonly id: string
  readonly isHeld: boolean
  readonly request: Pick<EnqueueRequest, 'wait' | 'requests'>
}

/** Those who stand by a ticket. A try that does not hold only looks: it does not wait. */
export function requestersBy({ request, isHeld }: ToldTicket): readonly QueuedRequest[] {
  return request.wait || isHeld ? request.requests().map(inSharedTime) : []
}

function inSharedTime({ sinceMs, sinceNs, label, identity }: QueuedRequest): QueuedRequest {
  const told = { sinceMs, sinceNs: sinceNs === undefined ? undefined : toSharedNs(sinceNs), label }
  return identity === undefined ? told : { ...told, identity }
}

/** This process, as text. */
export function ownCommand(): string {
  return process.argv.join(' ').slice(0, MOST_COMMAND)
}

/** As many of `tickets` as there is room for. */
export function formatParty(tickets: Iterable<ToldTicket>): string {
  const standsFor = actsFor()
  const place = standsFor === undefined ? '' : `"for":${toAscii(standsFor)},`
  const head = `{"pid":${process.pid},"command":${toAscii(ownCommand())},${place}"tickets":{`
  const entries: string[] = []
  let room = MAX_PARTY_BYTES - 'party '.length - head.length - ENDS.part.length
  let end = ENDS.whole
  for (const own of tickets) {
    const members = requestersBy(own).slice(0, MOST_PER_TICKET)
    const entry = `"${own.id}":${toAscii(members.map(toJson))}`
    room -= entry.length + ','.length
    if (room < 0) {
      end = ENDS.part
      break
    }
    entries.push(entry)
  }
  return `${head}${entries.join(',')}${end}`
}

function toJson({ sinceMs, sinceNs, label }: QueuedRequest): object {
  // JSON has no numbers of so many digits.
  return { since: sinceMs, ns: sinceNs === undefined ? undefined : String(sinceNs), label }
}

/** Undefined where the text is no such answer. */
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
  let isWhole = value['whole'] === true
  for (const [id, members] of Object.entries(value['tickets'])) {
    if (!Array.isArray(members)) return undefined
    const parsed = members.flatMap(parseMember)
    // Nonsense is no answer: it is not to hide the ticket.
    if (parsed.length > 0 || members.length === 0) tickets.set(id, parsed)
    else isWhole = false
  }
  const standsFor = typeof place === 'string' ? place : undefined
  return { pid, command: command.slice(0, MOST_COMMAND), tickets, standsFor, isWhole }
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
