/** Where the locks of the memory engine live. */
import type { Claim } from '../../core/claim.ts'
import type { Ticket } from '../../core/ticket.ts'
import type { EnqueueRequest } from '../../requests/ticket-queue.ts'

/** A ticket in the queue of a store. */
export interface MemoryTicket extends Ticket {
  readonly request: EnqueueRequest
  readonly client: string
  claim: Claim
  isHolder: boolean
}

/** Holds the locks of `memory()` engines: engines with the same store are clients of the same locks. */
export class MemoryStore {
  /** For the type checker: makes any other object, such as a record of options, a compile error if a store is needed. */
  declare protected readonly isMemoryStore: true
  /** @internal */
  readonly queues: Map<string, MemoryTicket[]> = new Map()
  /** @internal */
  readonly sleepers: Set<() => void> = new Set()
  /** @internal */
  lastNumber: number = 0
  /** @internal */
  lastToken: bigint = 0n
  /** @internal */
  lastClient: number = 0
}
