/**
 * Traces what the local engine does with its tickets, from outside: it wraps the methods that requests call.
 *
 * The lock of a ticket is known from the label of the first request that uses it: labels begin with the lock's id.
 */
import type { EnqueueRequest, GrantFacts } from '../../src/requests/ticket-queue.ts'
import type { Claim } from '../../src/core/claim.ts'
import { LocalQueue, PathQueue } from '../../src/engines/local/queue.ts'
import type { OwnTicket } from '../../src/engines/local/ticket.ts'
import type { TracedClaim } from '../trace/event.ts'
import { lockOf } from '../trace/event.ts'
import type { TraceWriter } from '../trace/writer.ts'

export function traceTickets(trace: TraceWriter): void {
  const { enqueue, granted, withdraw } = LocalQueue.prototype
  const { downgrade } = PathQueue.prototype
  let entries = 0

  const settle = (entry: number, own: OwnTicket | null): OwnTicket | null => {
    trace.write(own === null ? { kind: 'turned away', entry } : { kind: 'joined', entry, ticket: own.id })
    return own
  }
  const fail = (entry: number, error: unknown): never => {
    trace.write({ kind: 'turned away', entry })
    throw error
  }

  LocalQueue.prototype.enqueue = function enqueueTraced(
    this: LocalQueue,
    request: EnqueueRequest,
  ): OwnTicket | null | Promise<OwnTicket | null> {
    const [first] = request.requests()
    // Cancelled before it could join: it only checks whether it was cancelled.
    if (first?.label === undefined) return enqueue.call(this, request)
    entries += 1
    const entry = entries
    trace.write({ kind: 'enter', entry, lock: lockOf(first.label), claim: tracedClaim(request.claim) })
    try {
      const own = enqueue.call(this, request)
      if (!(own instanceof Promise)) return settle(entry, own)
      return own.then(
        (ticket) => settle(entry, ticket),
        (error: unknown) => fail(entry, error),
      )
    } catch (error) {
      return fail(entry, error)
    }
  }

  LocalQueue.prototype.granted = function grantedTraced(this: LocalQueue, own: OwnTicket): GrantFacts {
    trace.write({ kind: 'turn', ticket: own.id })
    return granted.call(this, own)
  }

  PathQueue.prototype.downgrade = function downgradeTraced(this: PathQueue, own: OwnTicket): void {
    trace.write({ kind: 'share', ticket: own.id })
    downgrade.call(this, own)
    trace.write({ kind: 'shares', ticket: own.id })
  }

  LocalQueue.prototype.withdraw = function withdrawTraced(this: LocalQueue, own: OwnTicket): void {
    if (own.isOver) return withdraw.call(this, own)
    trace.write({ kind: 'leave', ticket: own.id })
    withdraw.call(this, own)
    trace.write({ kind: 'left', ticket: own.id })
  }
}

function tracedClaim(claim: Claim): TracedClaim {
  if (claim.kind !== 'permit') return claim.kind
  return claim.take === 1 ? `permits:${claim.permits}` : `permits:${claim.permits}/${claim.take}`
}
