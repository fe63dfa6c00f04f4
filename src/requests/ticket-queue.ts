/**
 * The interface of an engine that keeps a queue of tickets: enqueue, list, anyChange, withdraw
 * (and isLast and granted, which only read). A method may return its result or a promise of it.
 */
import type { Claim } from '../core/claim.ts'
import type { Ticket, TicketIdentity } from '../core/ticket.ts'
import type { Cancellation } from './cancellation.ts'

export interface TicketQueue<Own extends TicketIdentity = TicketIdentity, T extends Ticket = Ticket> {
  /** Whether each request takes a ticket of its own. Otherwise requests of one process may hold by the same ticket, one after the other. */
  readonly ticketPerRequest?: boolean | undefined
  /**
   * Joins the queue at its end. From then on every listing of every client shows the ticket, in a fixed place, until
   * it is withdrawn or its owner dies. Null only if `request.wait` is false and the queue cannot be entered
   * without waiting, or if the request was cancelled before it had joined.
   */
  enqueue(request: EnqueueRequest): Own | null | Promise<Own | null>
  /**
   * Joins the queue if it is empty and that needs no waiting: then it is the turn of the ticket that this returns. Otherwise returns
   * undefined, and leaves nothing behind. Missing if looking at the queue can require waiting.
   */
  joinIfFree?(request: EnqueueRequest): Own | undefined
  /**
   * As `enqueue`, for the request of `own`, a ticket that was removed by somebody else. For engines in which the requests of one process have to keep their
   * order even if they have all lost their places at once. If it is missing, `own` is withdrawn, and its request is enqueued like any other.
   */
  rejoin?(own: Own, request: EnqueueRequest): Own | null | Promise<Own | null>
  /** Returns the queue in its order, as it was at some moment after `own` had joined. Tickets known to be dead are left out. */
  list(own: Own): readonly T[] | Promise<readonly T[]>
  /**
   * Returns, or resolves, when one of `among` may have gone since the last listing made for `own`. It may resolve without any
   * reason, since the waiter lists again; it must never miss a change. So if it first had to connect or subscribe
   * in order not to miss a change, it resolves without waiting. A release, a death and a removal from
   * outside all count. It keeps the process alive while it waits, and resolves soon after a cancellation.
   * Rejects if it cannot find out whether one of `among` is alive.
   */
  anyChange(own: Own, among: readonly T[], cancellation: Cancellation): void | Promise<void>
  /**
   * Makes the claim of `own`, which holds exclusively, a shared one in every later listing, and wakes the waiters whose turn it may now be. It stays shared until
   * `own` leaves. Does nothing if it was done before. If `own` turns out to be gone, `own.request` has been notified through `onLost` when this returns, or
   * resolves. Missing if the queue can't downgrade.
   */
  downgrade?(own: Own): void | Promise<void>
  /** Returns the facts of a grant. Called once for each of the holders that `own` stands for in turn. */
  granted(own: Own): GrantFacts
  /**
   * Whether `own`, which was granted, still holds, as far as one look can tell without waiting. If not, `own.request` has been notified through
   * `onStolen` or `onLost` when this returns. Missing if `stealing.isHolder` is enough.
   */
  isHeld?(own: Own): boolean
  /** Whether nobody stands behind `own`. */
  isLast(own: Own): boolean | Promise<boolean>
  /** The same as of the last listing, without a new one. Missing if the queue keeps no listing. */
  wasLast?(own: Own): boolean
  /**
   * Whether nobody else stands behind any of `own`, all of which stand in the queue. Missing if that can't be found out without waiting: then each
   * request for a permit takes a ticket of its own.
   */
  areLast?(own: readonly Own[]): boolean
  /** Whether a request waits because of `own`, which holds, as far as one look can tell. Missing if the queue can't tell. */
  isWanted?(own: Own): boolean | Promise<boolean>
  /**
   * Leaves the queue, from any place in it, and wakes the waiters whose turn it may now be. Does nothing if `own` left
   * before. If it returns no promise, the ticket is out of the queue on return. Fails only if the ticket still stands in the queue.
   */
  withdraw(own: Own): void | Promise<void>
  /** Missing if locks can't be stolen. Otherwise `enqueue` of a request that steals joins at the head of the queue, and dispossesses all holders. */
  readonly stealing?: Stealing<Own> | undefined
}

/**
 * The additional methods of a queue whose locks can be stolen: it must be visible from outside who holds, and a holder must check whether it
 * still does. A ticket by which requests wait, besides its holders, keeps its place when it is dispossessed.
 */
export interface Stealing<Own extends TicketIdentity = TicketIdentity> {
  /** Makes `own` a holder, after a listing has shown that it is its turn. Returns false if a thief came first: list again. */
  becomeHolder(own: Own): boolean
  /**
   * Whether `own` still holds, as far as this process can know without waiting. If it does not, `own.request` has been notified through `onStolen`
   * or `onLost` when this returns.
   */
  isHolder(own: Own): boolean
  /**
   * Sets whether other requests wait by `own`, besides its holders. Returns false if no request may wait by it, since it was dispossessed
   * or has left the queue: then it keeps no place for them.
   */
  setHasWaiters(own: Own, hasWaiters: boolean): boolean
}

export interface EnqueueRequest {
  readonly claim: Claim
  readonly wait: boolean
  readonly steal: boolean
  readonly lingerMs: number
  readonly cancellation: Cancellation
  /** Whether the ticket has had its turn and is kept for a moment though nobody holds by it: then it leaves as a waiting ticket does. */
  readonly isKept?: boolean
  /** Returns the requests of this process that stand in the queue by this ticket, in their order. Called on demand. */
  requests(): readonly QueuedRequest[]
  /** Called when a ticket that holds turns out to be gone. */
  onLost(error: Error): void
  /** Called when the holders of a ticket no longer hold. The requests that wait by it go on waiting. */
  onStolen(error: Error): void
}

/** What other processes are shown of a request. */
export interface QueuedRequest {
  readonly sinceMs: number
  /** See `Requester.sinceNs`; by the clock of `process.hrtime`. Undefined if another process has not sent it. */
  readonly sinceNs: bigint | undefined
  readonly label: string | undefined
  /** See `AcquireRequest.identity`. Undefined for a request of another process. */
  readonly identity?: object | undefined
}

export interface GrantFacts {
  readonly token: bigint
  readonly recovered: boolean
}

/** Returns false if a thief has come, or if the ticket, which was granted, is lost: then its request has been notified. */
export function isHolder({ stealing }: TicketQueue, ticket: TicketIdentity): boolean {
  return stealing === undefined || stealing.isHolder(ticket)
}

/** Whether `ticket`, which was granted, still holds, as far as one look can tell. If not, its request has been notified. */
export function isHeld(queue: TicketQueue, ticket: TicketIdentity): boolean {
  return queue.isHeld === undefined ? isHolder(queue, ticket) : queue.isHeld(ticket)
}
