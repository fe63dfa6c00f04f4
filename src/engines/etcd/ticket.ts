import type { EnqueueRequest } from '../../requests/ticket-queue.ts'
import type { Claim } from '../../core/claim.ts'
import type { SlocketError } from '../../errors.ts'
import { ticketId } from './keys.ts'
import type { ListedTicket } from './keys.ts'

/** What a ticket lives by. */
export interface TicketSession {
  readonly lease: string
  readonly ttlMs: number
  /** Whether its lease is sure to last still. Where it is not, all who hold by it have been told when this returns. */
  isAlive(): boolean
  /** The same by one clock alone, which costs next to nothing: where nothing is granted by it. */
  seemsAlive(): boolean
  /** The key of the ticket is gone, or nobody cares. */
  forget(ticket: OwnTicket): void
}

/**
 * A ticket of this process. Its key is known to its session from before it is written until it is surely gone; what the lease has besides is
 * litter.
 */
export class OwnTicket {
  readonly key: string
  readonly request: EnqueueRequest
  readonly session: TicketSession
  /** Undefined until it has joined the queue. */
  createRevision: bigint | undefined
  /** How many requests to write its key were sent that nobody has seen an answer to: they may be carried out late. */
  unanswered: number = 0
  /** The revision of the last listing of the queue that it was shown. */
  seenRevision: bigint = 0n
  /** Whether it has to see the whole queue, since there are keys in it that are no tickets. */
  seesAll = false
  /** The listing that joining gave, until it has been used. */
  joinListing: readonly ListedTicket[] | undefined
  /** Whether it had to wait. */
  hasWaited = false
  isHeld = false
  /** Left, or about to. */
  isOver = false
  /** Why it is gone, though it has not left by itself. */
  loss: SlocketError | undefined
  /** Something may have changed since the last listing was begun. */
  isWoken = false
  onWoken: (() => void) | undefined
  /** What stops the watch of each key that is watched. */
  readonly watches: Map<string, () => void> = new Map()
  /** Those of the watched keys whose watch is not there yet. */
  readonly uncreated: Set<string> = new Set()
  leaving: Promise<void> | undefined
  sinceTimer: NodeJS.Timeout | undefined

  constructor(key: string, request: EnqueueRequest, session: TicketSession) {
    this.key = key
    this.request = request
    this.session = session
  }

  get claim(): Claim {
    return this.request.claim
  }

  get id(): string {
    return ticketId(this.key, this.createRevision ?? 0n)
  }

  /** Whether its key, if it is there still, is about to be deleted. */
  get isLeaving(): boolean {
    return this.isOver || this.request.cancellation.cancelled
  }

  wake(): void {
    this.isWoken = true
    this.onWoken?.()
  }

  /** Gone, by no doing of its own: its holder is told, or it looks again and finds out. */
  lose(loss: SlocketError, isStolen: boolean): void {
    if (this.isOver || this.loss !== undefined) return
    this.loss = loss
    if (this.isHeld) this.tellLost(isStolen)
    else this.wake()
  }

  tellLost(isStolen: boolean): void {
    if (!this.isHeld || this.loss === undefined) return
    this.isHeld = false
    if (isStolen) this.request.onStolen(this.loss)
    else this.request.onLost(this.loss)
  }

  stopWatching(): void {
    for (const stop of this.watches.values()) stop()
    this.watches.clear()
    this.uncreated.clear()
  }
}
