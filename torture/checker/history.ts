/** The events of all traces, by request, ticket and removal. */
import type { TracedClaim, TraceEvent } from '../trace/event.ts'
import { lockOf, permitsOf } from '../trace/event.ts'
import { Lives } from './lives.ts'

export interface TracedRequest {
  readonly request: string
  readonly lock: string
  readonly who: string
  readonly engine: number
  readonly claim: TracedClaim
  readonly waits: boolean
  readonly sliceMs: number
  readonly askedAt: number
  /** Infinity if it was never granted. */
  grantedAt: number
  token: bigint
  recovered: boolean
  /** When its downgrade began. */
  downgradedAt: number
  /** When it began to release. */
  releasedAt: number
  lostAt: number
}

export interface TracedTicket {
  readonly lock: string
  readonly who: string
  readonly claim: TracedClaim
  /** When it began to join. Before this it wasn't in the queue. */
  readonly enteredAt: number
  /** When it had joined, or was turned away; Infinity if neither. */
  joinedAt: number
  ticket: string
  /** When it had its turn; one time for each holder that used it. */
  readonly turnsAt: number[]
  /** When others may have begun to see it as shared, and when all its waiters had been notified of that. */
  sharesAt: number
  sharesSince: number
  /** It was certainly in the queue from when it had joined until this time. */
  stoodUntil: number
  /** From this time on it is certainly gone, and the process that removed it has notified the others. */
  goneFrom: number
}

export interface Removal {
  readonly from: number
  readonly to: number
}

export class History {
  readonly lives: Lives
  readonly requests: readonly TracedRequest[]
  /** In the order in which they began to join. */
  readonly tickets: readonly TracedTicket[]
  readonly removals: ReadonlyMap<string, readonly Removal[]>
  readonly locks: readonly string[]
  readonly endsAt: number

  constructor(events: readonly TraceEvent[]) {
    this.lives = new Lives(events)
    this.removals = readRemovals(events)
    this.requests = readRequests(events)
    this.tickets = readTickets(events, this.lives, this.removals)
    this.locks = [...new Set(this.requests.map(({ lock }) => lock))].sort()
    this.endsAt = events.at(-1)?.at ?? 0
  }

  requestsFor(lock: string): TracedRequest[] {
    return this.requests.filter((request) => request.lock === lock)
  }

  ticketsFor(lock: string): TracedTicket[] {
    return this.tickets.filter((ticket) => ticket.lock === lock)
  }
}

/** True if the two claims conflict on their own. Permits are counted elsewhere. */
export function isInTheWay(claim: TracedClaim, other: TracedClaim): boolean {
  return claim !== 'shared' || other !== 'shared'
}

/** The claim of a request, or of its ticket, at a time. */
export function claimAt({ claim }: { readonly claim: TracedClaim }, sharedSince: number, at: number): TracedClaim {
  return sharedSince <= at ? 'shared' : claim
}

/** How much the tickets in its way may take before it has no room. */
export function mostBeside(claim: TracedClaim): number {
  const permits = permitsOf(claim)
  return permits === undefined ? 0 : permits.permits - permits.take
}

/** How much these take together: their permits, or one each. */
export function takenBy(all: readonly { readonly claim: TracedClaim }[]): number {
  return all.reduce((taken, { claim }) => taken + (permitsOf(claim)?.take ?? 1), 0)
}

function readRequests(events: readonly TraceEvent[]): TracedRequest[] {
  const requests = new Map<string, TracedRequest>()
  for (const event of events) {
    switch (event.kind) {
      case 'ask': {
        const { request, who, engine, claim, waits, slice: sliceMs = 0, at } = event
        const never = { grantedAt: Infinity, downgradedAt: Infinity, releasedAt: Infinity, lostAt: Infinity }
        const unknown = { ...never, token: 0n, recovered: false }
        const lock = lockOf(request)
        requests.set(request, { request, lock, who, engine, claim, waits, sliceMs, askedAt: at, ...unknown })
        break
      }
      case 'grant':
        Object.assign(requests.get(event.request)!, {
          grantedAt: event.at,
          token: BigInt(event.token),
          recovered: event.recovered,
        })
        break
      case 'downgrade':
        requests.get(event.request)!.downgradedAt = event.at
        break
      case 'release':
        requests.get(event.request)!.releasedAt = event.at
        break
      case 'lost':
        requests.get(event.request)!.lostAt = event.at
        break
      default:
      // Not about a request.
    }
  }
  return [...requests.values()]
}

function readTickets(
  events: readonly TraceEvent[],
  lives: Lives,
  removals: ReadonlyMap<string, readonly Removal[]>,
): TracedTicket[] {
  const entries = new Map<string, TracedTicket>()
  const tickets = new Map<string, TracedTicket>()
  for (const event of events) {
    switch (event.kind) {
      case 'enter': {
        const { who, lock, claim, at } = event
        const stoodUntil = lives.livedUntil(who)
        const goneFrom = lives.deadFrom(who)
        const never = { joinedAt: Infinity, sharesAt: Infinity, sharesSince: Infinity }
        const unknown = { ...never, ticket: '(joining)', turnsAt: [], stoodUntil, goneFrom }
        entries.set(`${who} ${event.entry}`, { lock, who, claim, enteredAt: at, ...unknown })
        break
      }
      case 'joined': {
        const entered = entries.get(`${event.who} ${event.entry}`)!
        entered.joinedAt = event.at
        entered.ticket = event.ticket
        tickets.set(event.ticket, entered)
        break
      }
      case 'turned away': {
        const entered = entries.get(`${event.who} ${event.entry}`)!
        entered.stoodUntil = -Infinity
        entered.goneFrom = Math.min(entered.goneFrom, event.at)
        break
      }
      case 'turn':
        tickets.get(event.ticket)!.turnsAt.push(event.at)
        break
      case 'share': {
        const sharing = tickets.get(event.ticket)!
        sharing.sharesAt = Math.min(sharing.sharesAt, event.at)
        break
      }
      case 'shares':
        tickets.get(event.ticket)!.sharesSince = event.at
        break
      case 'leave': {
        const left = tickets.get(event.ticket)!
        left.stoodUntil = Math.min(left.stoodUntil, event.at)
        break
      }
      case 'left': {
        const left = tickets.get(event.ticket)!
        left.goneFrom = Math.min(left.goneFrom, event.at)
        break
      }
      default:
      // Not about a ticket.
    }
  }
  const all = [...entries.values()]
  for (const ticket of all) {
    const removal = removals.get(ticket.lock)?.find(({ to }) => ticket.enteredAt < to)
    if (removal !== undefined) ticket.stoodUntil = Math.min(ticket.stoodUntil, removal.from)
  }
  return all
}

function readRemovals(events: readonly TraceEvent[]): Map<string, Removal[]> {
  const removals = new Map<string, Removal[]>()
  const begun = new Map<string, number>()
  for (const event of events) {
    if (event.kind === 'remove') begun.set(event.lock, event.at)
    else if (event.kind === 'removed') {
      const some = removals.get(event.lock) ?? []
      some.push({ from: begun.get(event.lock)!, to: event.at })
      removals.set(event.lock, some)
    }
  }
  return removals
}
