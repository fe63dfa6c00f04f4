/** Order: no request is granted before a conflicting ticket that had joined earlier. */
import type { Finding } from './finding.ts'
import type { History, TracedRequest, TracedTicket } from './history.ts'
import { claimAt, isInTheWay, mostBeside, takenBy } from './history.ts'

const NS_PER_MS = 1e6

export function checkOrder(history: History): Finding[] {
  return [...checkAmongTickets(history), ...checkWithinProcess(history), ...checkOvertaking(history)]
}

/**
 * Finds tickets that had their turn too early: another ticket had joined before this one began to join, and is still in the queue, waiting or holding.
 * With permits, the tickets ahead may take only as much as leaves room for this one and for all tickets ahead of it, since nobody overtakes.
 */
function checkAmongTickets(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    const findings: Finding[] = []
    const tickets = history.ticketsFor(lock)
    const turns = tickets
      .filter(({ turnsAt }) => turnsAt.length > 0)
      .map((ticket) => ({ ticket, at: ticket.turnsAt[0]! }))
      .sort((a, b) => a.at - b.at)
    let standing: TracedTicket[] = []
    let next = 0
    for (const { ticket, at } of turns) {
      for (; next < tickets.length && tickets[next]!.enteredAt <= at; next += 1) standing.push(tickets[next]!)
      standing = standing.filter(({ stoodUntil }) => stoodUntil > at)
      const ahead = standing.filter(
        (other) => other.joinedAt < ticket.enteredAt && isInTheWay(ticket.claim, claimAt(other, other.sharesAt, at)),
      )
      if (hasRoom(ticket, ahead) && ahead.every((other) => hasRoom(other, ahead))) continue
      const others = ahead.map((other) => `${other.ticket} of ${other.who} (${other.claim})`).join(', ')
      const what = `the ticket ${ticket.ticket} of ${ticket.who} (${ticket.claim}) had its turn at ${lock} with ${others} ahead`
      findings.push({ rule: 'order', at, what })
    }
    return findings
  })
}

/** With permits: true if the ticket has room beside those of `all` that are ahead of it. With other claims, conflicts show at the ticket behind. */
function hasRoom({ claim, enteredAt }: TracedTicket, all: readonly TracedTicket[]): boolean {
  return (
    takenBy(all.filter((other) => other.joinedAt < enteredAt && isInTheWay(claim, other.claim))) <= mostBeside(claim)
  )
}

/**
 * Finds requests that were granted too early: a ticket of another client had joined before the request was made, and is still in the queue. That is
 * allowed if the request was made within a slice of its client: a slice that began before that ticket joined, or when that client last had its turn in
 * strict order.
 */
function checkOvertaking(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    const findings: Finding[] = []
    const tickets = history.ticketsFor(lock)
    const granted = history
      .requestsFor(lock)
      .filter(({ grantedAt }) => grantedAt !== Infinity)
      .sort((a, b) => a.grantedAt - b.grantedAt)
    let standing: TracedTicket[] = []
    let next = 0
    /** When each client last had its turn in strict order. */
    const turnAt = new Map<string, number>()
    for (const { request, who, claim, sliceMs, askedAt, grantedAt: at } of granted) {
      for (; next < tickets.length && tickets[next]!.enteredAt <= at; next += 1) standing.push(tickets[next]!)
      standing = standing.filter(({ stoodUntil }) => stoodUntil > at)
      const before = standing.filter(
        (ticket) =>
          ticket.who !== who && ticket.joinedAt < askedAt && isInTheWay(claim, claimAt(ticket, ticket.sharesAt, at)),
      )
      if (takenBy(before) <= mostBeside(claim)) {
        turnAt.set(who, at)
        continue
      }
      const sliceNs = sliceMs * NS_PER_MS
      const overtaken = before.filter(({ joinedAt }) => joinedAt + sliceNs < askedAt)
      if (takenBy(overtaken) <= mostBeside(claim)) continue
      if (sliceMs > 0 && askedAt <= (turnAt.get(who) ?? -Infinity) + sliceNs) continue
      const others = overtaken.map((other) => `${other.ticket} of ${other.who} (${other.claim})`).join(', ')
      const what = `${request} (${claim}, slice ${sliceMs} ms) was granted before ${others}, which had joined before it asked`
      findings.push({ rule: 'order', at, what })
    }
    return findings
  })
}

/** Waiting requests of one client keep their order, except if a directory was removed: then they join again. */
function checkWithinProcess(history: History): Finding[] {
  const findings: Finding[] = []
  const latest = new Map<string, { any?: TracedRequest; exclusive?: TracedRequest }>()
  for (const request of history.requests) {
    const { who, engine, lock, claim, waits, grantedAt } = request
    if (!waits || grantedAt === Infinity || mostBeside(claim) > 0 || history.removals.has(lock)) continue
    const key = `${who} ${engine} ${lock}`
    const earlier = latest.get(key) ?? {}
    const before = claim === 'shared' ? earlier.exclusive : earlier.any
    if (before !== undefined && before.grantedAt > grantedAt) {
      const what = `${request.request} was granted before ${before.request}, which the same client had asked for before`
      findings.push({ rule: 'order', at: grantedAt, what })
    }
    if (claim !== 'shared') earlier.exclusive = later(earlier.exclusive, request)
    earlier.any = later(earlier.any, request)
    latest.set(key, earlier)
  }
  return findings
}

function later(a: TracedRequest | undefined, b: TracedRequest): TracedRequest {
  return a === undefined || b.grantedAt > a.grantedAt ? b : a
}
