/**
 * Lost wake-ups: nobody waits for more than a second after the last ticket in its way has left. Only time in which the waiter's
 * event loop runs counts: nothing is expected of a waiter that is stopped, blocked or without a processor.
 */
import type { Finding } from './finding.ts'
import type { History, TracedTicket } from './history.ts'
import { permitsOf } from '../trace/event.ts'
import { isInTheWay, mostBeside, takenBy } from './history.ts'
import type { Span } from './lives.ts'

const MOST_FREE_NS = 1e9

export function checkWaits(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    const tickets = history.ticketsFor(lock)
    return tickets.flatMap((ticket) => {
      const wait: Span = { from: ticket.joinedAt, to: waitedUntil(history, ticket) }
      if (wait.to - wait.from <= MOST_FREE_NS) return []
      const blocked = tickets.flatMap((other) => blockedBy(ticket, other))
      const idle = history.lives.idleSpans(ticket.who)
      const free = longestFree(wait, blocked, bearableFor(ticket, tickets), idle)
      if (free.ns <= MOST_FREE_NS) return []
      const seconds = (free.ns / 1e9).toFixed(2)
      const what = `the ticket ${ticket.ticket} of ${ticket.who} (${ticket.claim}) waited at ${lock} for ${seconds} s with nobody in its way`
      return [{ rule: 'takeover', at: free.at, what }]
    })
  })
}

/** How much others may take while it certainly has its turn: so little that there is room for all tickets ahead of it, too. */
function bearableFor({ claim }: TracedTicket, tickets: readonly TracedTicket[]): number {
  return Math.min(mostBeside(claim), ...tickets.flatMap((other) => permitsOf(other.claim)?.permits ?? []))
}

/** The end of its wait: its first turn, or when it left, died, or lost its place. */
function waitedUntil({ endsAt }: History, { turnsAt, stoodUntil }: TracedTicket): number {
  return Math.min(turnsAt[0] ?? Infinity, stoodUntil, endsAt)
}

/** When `other` may have been in the way of `ticket`. A ticket that joined behind was in the way only while it was joining. */
function blockedBy(ticket: TracedTicket, other: TracedTicket): Span[] {
  if (other === ticket || !isInTheWay(ticket.claim, other.claim)) return []
  const isBehind = other.enteredAt > ticket.joinedAt
  const to = ticket.claim === 'shared' ? Math.min(other.sharesSince, other.goneFrom) : other.goneFrom
  const span = { from: other.enteredAt, to: isBehind ? Math.min(other.joinedAt, to) : to }
  return Array.from({ length: takenBy([other]) }, () => span)
}

interface Edge {
  readonly at: number
  readonly blocked: number
  readonly idle: number
}

/** The longest time within `wait` in which at most `bears` were in the way, without idle time. */
function longestFree(
  wait: Span,
  blocked: readonly Span[],
  bears: number,
  idle: readonly Span[],
): { ns: number; at: number } {
  const edges: Edge[] = [
    ...blocked.flatMap((span) => edgesOf(span, wait, 'blocked')),
    ...idle.flatMap((span) => edgesOf(span, wait, 'idle')),
    { at: wait.to, blocked: 0, idle: 0 },
  ].sort((a, b) => a.at - b.at)
  let longest = { ns: 0, at: wait.from }
  let now = { at: wait.from, blocked: 0, idle: 0 }
  let freeNs = 0
  for (const edge of edges) {
    if (now.blocked > bears) freeNs = 0
    else if (now.idle === 0) freeNs += edge.at - now.at
    if (freeNs > longest.ns) longest = { ns: freeNs, at: edge.at }
    now = { at: edge.at, blocked: now.blocked + edge.blocked, idle: now.idle + edge.idle }
  }
  return longest
}

function edgesOf({ from, to }: Span, within: Span, kind: 'blocked' | 'idle'): Edge[] {
  if (to <= within.from || from >= within.to) return []
  const edge = (at: number, step: number): Edge => ({ at, blocked: 0, idle: 0, [kind]: step })
  return [edge(Math.max(from, within.from), 1), edge(Math.min(to, within.to), -1)]
}
