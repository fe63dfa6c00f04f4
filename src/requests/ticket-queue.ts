/**
 * What an engine that keeps a queue of tickets offers: enqueue, list, anyChange, withdraw
 * (and isLast and granted, which only read). A method may answer at once or by a promise.
 */
import type { Claim } from '../core/claim.ts'
import type { Ticket, TicketIdentity } from '../core/ticket.ts'
import type { Cancellation } from './cancellation.ts'

export interface TicketQueue<Own extends TicketIdentity = TicketIdentity, T extends Ticket = Ticket> {
  /** Whether each request takes a ticket of its own. Otherwise those of one process may hold by one ticket, one after the other. */
  readonly ticketPerRequest?: boolean | undefined
  /**
   * Joins the queue at its end. From then on every listing of every client shows the ticket, in a fixed place, until
   * it is withdrawn or its owner dies. Null only where `request.wait` is false and the queue cannot be entered
   * without waiting, or where the request was cancelled before it had joined.
   */
  enqueue(request: EnqueueRequest): Own | null | Promise<Own | null>
  /**
   * Joins the queue if it is empty and nothing has to be waited for: then it is the turn of the ticket that this returns. Otherwise
   * undefined, and nothing is left behind. Missing if the queue can't be looked at without waiting.
   */
  joinIfFree?(request: EnqueueRequest): Own | undefined
  /**
   * As `enqueue`, for the request of `own`, whose ticket is gone by no doing of its own. Where the requests of one process have to keep their
   * order although they have all lost their places at once. Missing: `own` is withdrawn, and its request enqueued, like any other.
   */
  rejoin?(own: Own, request: EnqueueRequest): Own | null | Promise<Own | null>
  /** The queue in its order, as it was at some moment after `own` had joined. Tickets known to be dead are left out. */
  list(own: Own): readonly T[] | Promise<readonly T[]>
  /**
   * Returns, or resolves, when one of `among` may have gone since the last listing made for `own`. It may resolve for no reason at
   * all, since whoever waits lists again; it may never miss a change. So it resolves without waiting whenever it had
   * to do something first (connect, mark, subscribe) in order not to miss one. A release, a death and a removal from
   * outside all count. It keeps the process alive while it waits, and resolves soon after a cancellation.
   * Rejects when it cannot tell whether one of `among` lives.
   */
  anyChange(own: Own, among: readonly T[], cancellation: Cancellation): void | Promise<void>
  /**
   * Makes the claim of `own`, which holds exclusively, a shared one for every later listing, and wakes those whose turn it may now be. It stays so until
   * `own` leaves. Does nothing if it was done before. If `own` turns out to be gone, `own.request` has been told by `onLost` when this returns, or
   * resolves. Missing if the queue can't.
   */
  downgrade?(own: Own): void | Promise<void>
  /** The facts of a grant, asked for once for each holder in turn that `own` stands for. */
  granted(own: Own): GrantFacts
  /**
   * Whether `own`, which was granted, still holds, by one look that needs no waiting. If not, `own.request` has been told by
   * `onStolen` or `onLost` when this returns. Missing if `stealing.isHolder` tells all there is to know.
   */
  isHeld?(own: Own): boolean
  /** Whether nobody stands behind `own`. */
  isLast(own: Own): boolean | Promise<boolean>
  /**
   * Whether nobody else stands behind any of `own`, all of which stand in the queue. Missing if that can't be known without waiting: then each
   * request for a permit takes a ticket of its own.
   */
  areLast?(own: readonly Own[]): boolean
  /** Whether somebody waits because of `own`, which holds, as far as one look tells. Missing where that cannot be told. */
  isWanted?(own: Own): boolean | Promise<boolean>
  /**
   * Leaves the queue, from any place in it, and wakes those whose turn it may now be. Does nothing when `own` has left
   * before. Where it returns no promise, the ticket is out of the queue on return. Fails only where the ticket still stands.
   */
  withdraw(own: Own): void | Promise<void>
  /** Where locks can be stolen. Then `enqueue` of a request that steals joins at the head of the queue, and dispossesses all holders. */
  readonly stealing?: Stealing<Own> | undefined
}

/**
 * What a queue offers besides, from which locks can be stolen: who holds has to be seen from outside, and has to look whether it
 * still does. A ticket that somebody waits by, besides those who hold by it, keeps its place when it is dispossessed.
 */
export interface Stealing<Own extends TicketIdentity = TicketIdentity> {
  /** A listing has shown that it is the turn of `own`: makes it a holder. False where a thief was first: list again. */
  becomeHolder(own: Own): boolean
  /**
   * Whether `own` still holds, by all that can be known without waiting. Where it does not, `own.request` has been told by `onStolen`
   * or `onLost` when this returns.
   */
  isHolder(own: Own): boolean
  /**
   * Says whether others wait by `own`, besides those who hold by it. False if nobody may wait by it, since it was dispossessed
   * or has left the queue: then it keeps no place for them.
   */
  setCrowded(own: Own, isCrowded: boolean): boolean
}

export interface EnqueueRequest {
  readonly claim: Claim
  readonly wait: boolean
  readonly steal: boolean
  readonly lingerMs: number
  readonly cancellation: Cancellation
  /** Whether the ticket has had its turn, and is kept for a moment though nobody holds by it: then it leaves like one that waits. */
  readonly isKept?: boolean
  /** The requests of this process that stand in the queue by this ticket, in their order. Asked when somebody wants to know. */
  requests(): readonly QueuedRequest[]
  /** Called when a ticket that holds turns out to be gone. */
  onLost(error: Error): void
  /** Called when those who hold by a ticket do so no longer. Those who wait by it go on. */
  onStolen(error: Error): void
}

/** What others are told of a request. */
export interface QueuedRequest {
  readonly sinceMs: number
  /** See `Requester.sinceNs`; by the clock of `process.hrtime`. Undefined where another process has not told it. */
  readonly sinceNs: bigint | undefined
  readonly label: string | undefined
  /** See `AcquireRequest.identity`. Undefined for a request of another process. */
  readonly identity?: object | undefined
}

export interface GrantFacts {
  readonly token: bigint
  readonly recovered: boolean
}

/** False if a thief has come, or the ticket, which was granted, is lost: then its request has been notified. */
export function isHolder({ stealing }: TicketQueue, ticket: TicketIdentity): boolean {
  return stealing === undefined || stealing.isHolder(ticket)
}

/** Whether `ticket`, which was granted, holds still, as far as one look tells. If not, its request has been notified. */
export function isHeld(queue: TicketQueue, ticket: TicketIdentity): boolean {
  return queue.isHeld === undefined ? isHolder(queue, ticket) : queue.isHeld(ticket)
}
