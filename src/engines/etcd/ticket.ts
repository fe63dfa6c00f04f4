import type { EnqueueRequest } from '../../requests/ticket-queue.ts'
import type { Claim } from '../../core/claim.ts'
import { SHARED } from '../../core/claim.ts'
import { SlocketError } from '../../errors.ts'
import { resourceOf, ticketId } from './keys.ts'
import type { ListedTicket } from './keys.ts'

/** What keeps a ticket alive. */
export interface TicketSession {
  readonly lease: string
  readonly ttlMs: number
  /** Whether its lease is still sure to last. If not, all its holders have been notified when this returns. */
  isAlive(): boolean
  /** The same by one clock only, which costs almost nothing. It is used if nothing is granted by it. */
  seemsAlive(): boolean
  /** To be called when the key of the ticket is gone, or no longer matters. */
  forget(ticket: OwnTicket): void
  /** To be called when a downgrade has replaced the key of the ticket. */
  replaceKey(ticket: OwnTicket, key: string, createRevision: bigint): void
  lose(reason: string): void
}

/**
 * A ticket of this process. Its session knows its keys from before they are written until they are surely gone; any other keys of the lease are
 * leftovers.
 */
export class OwnTicket {
  key: string
  readonly request: EnqueueRequest
  readonly session: TicketSession
  /** Undefined until it has joined the queue. */
  createRevision: bigint | undefined
  /** The key of the shared ticket that replaces it, from before its downgrade is asked for. */
  sharedKey: string | undefined
  /** Whether its downgrade is known to be done. */
  isDowngraded = false
  /** How many requests to write its key were sent without an answer so far: they may be carried out late. */
  unanswered: number = 0
  /** The revision of the last listing of the queue that it was shown. */
  seenRevision: bigint = 0n
  /** Whether it has to see the whole queue, since there are keys in it that aren't tickets. */
  seesAll = false
  /** The listing that joining returned, until it has been used. */
  joinListing: readonly ListedTicket[] | undefined
  /** Whether it had to wait. */
  hasWaited = false
  isHeld = false
  /** Whether it has left, or is about to. */
  isOver = false
  /** Why it is gone, if it did not leave by itself. */
  loss: SlocketError | undefined
  /** Whether something may have changed since the last listing was begun. */
  isWoken = false
  onWoken: (() => void) | undefined
  /** For each watched key, the function that stops its watch. */
  readonly watches: Map<string, () => void> = new Map()
  /** The watched keys whose watch isn't created yet. */
  readonly uncreated: Set<string> = new Set()
  leaving: Promise<void> | undefined
  sinceTimer: NodeJS.Timeout | undefined

  constructor(key: string, request: EnqueueRequest, session: TicketSession) {
    this.key = key
    this.request = request
    this.session = session
  }

  get claim(): Claim {
    return this.isDowngraded ? SHARED : this.request.claim
  }

  get id(): string {
    return ticketId(this.key, this.createRevision ?? 0n)
  }

  /** Its key; two keys while the outcome of a downgrade is unknown: then one of them is in the queue. */
  get keys(): readonly string[] {
    return this.sharedKey === undefined || this.isDowngraded ? [this.key] : [this.key, this.sharedKey]
  }

  /** Whether its key, if it still exists, is about to be deleted. */
  get isLeaving(): boolean {
    return this.isOver || this.request.cancellation.cancelled
  }

  wake(): void {
    this.isWoken = true
    this.onWoken?.()
  }

  /** To be called when somebody else removed it: its holder is notified, or it looks again and finds out. */
  lose(loss: SlocketError, isStolen: boolean): void {
    if (this.isOver || this.loss !== undefined) return
    this.loss = loss
    if (this.isHeld) this.notifyLost(isStolen)
    else this.wake()
  }

  notifyLost(isStolen: boolean): void {
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

/** The error of a ticket that is gone, though its session isn't. */
export function stolenOrRemoved(namespace: string, key: string): SlocketError {
  const name = resourceOf(namespace, key)
  return new SlocketError(
    'ERR_SLOCKET_LOST',
    `the lock '${name}' is lost: it was stolen, or its ticket in etcd was removed from outside`,
  )
}
