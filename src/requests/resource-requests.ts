/**
 * All requests of this process for one resource, in the order in which they came.
 *
 * A request joins the newest group (group.ts) as long as that group's ticket is the last in the queue: that way a thousand requests cost one
 * ticket. Once another process stands behind the ticket, the next request takes a new one. So the order is first come, first served across all
 * processes. Requests for one of n permits each share up to n + 1 tickets in the same way (permit-group.ts). A request that takes several permits is a group
 * of its own, which no other request joins.
 *
 *  1. A request that finds no other of its process joins the queue at once, in the call. A request that finds a kept ticket is granted in the call, too (slice.ts).
 *  2. Other requests are placed in the next microtask, all that were made until then with one look at the queue. The look comes after all of them were made, so
 *     if the ticket is last then, all of them came before any request that stands behind it later.
 *  3. Groups enter the queue in the order of their requests. But a try, or a thief, waits for no other group: it may overtake groups that are still
 *     entering.
 */
import type { AcquireRequest, Grant } from './engine.ts'
import { isExiting } from './exiting.ts'
import type { TicketQueue } from './ticket-queue.ts'
import { Group } from './group.ts'
import { PermitGroup } from './permit-group.ts'
import { Request } from './request.ts'
import { SelfWaitWatch } from './self-wait.ts'

const SETTLED: Promise<void> = Promise.resolve()

/** How many resources of an engine are kept, so that the next request for one of them need not open its queue again. All that are in use are kept as well. */
const MOST_KEPT = 64

/** The resources of an engine, by name, roughly in the order of how long they have been idle, longest first. */
export type KeptResources = Map<string, ResourceRequests>

/** Keeps one more resource. */
export function keep(kept: KeptResources, name: string, requests: ResourceRequests): void {
  if (kept.size >= MOST_KEPT) removeIdle(kept)
  kept.set(name, requests)
}

/** Removes an idle resource, if one of the first two is idle. Resources in use are moved to the end, so every idle one is removed in time. */
function removeIdle(kept: KeptResources): void {
  let count = 0
  for (const [name, requests] of kept) {
    kept.delete(name)
    if (requests.isIdle) return
    kept.set(name, requests)
    count += 1
    if (count === 2) return
  }
}

/** Requests that stand in the queue together: a group with one ticket (group.ts), or a group of permits (permit-group.ts). */
export interface PlacedGroup {
  readonly state: 'outside' | 'joining' | 'waiting' | 'held' | 'kept' | 'over'
  readonly holding: readonly Request[]
  readonly waitingRequests: readonly Request[]
  /** Stands in the queue until all its requests have held and released. Never throws. */
  enter(): void
  /** Whether `request` may join if the group is the last in its queue. Asked of the newest group only. */
  isOpenTo(request: Request): boolean
  /** Whether no other ticket stands behind it, as far as it stands in the queue. */
  isLast(): boolean | Promise<boolean>
  /**
   * Grants to `request` at once, if the group keeps its ticket and its slice is open (slice.ts). May be called only if there is no other group, and no request is to be
   * placed.
   */
  serveKept(request: Request): boolean
  /** Adds `request` to the group, if it may join. May be called only while the group is the last in its queue. */
  accept(request: Request): boolean
  /** Whether another request waits because of its holders, as far as one look can tell. */
  isWanted(): boolean | Promise<boolean>
  /**
   * Must be called when another group of this process is about to come: from then on, no request is served by a slice. Returns the requests that have to be placed
   * before those of the other group.
   */
  giveWay(): readonly Request[]
}

export class ResourceRequests {
  readonly queue: TicketQueue
  /** How many groups are outside or joining. */
  entering: number = 0
  private readonly name: string
  private readonly kept: KeptResources
  /** Oldest first. */
  private groups: PlacedGroup[] = []
  /** The requests that are not placed yet, while `isPlacing`. */
  private intake: Request[] = []
  private isPlacing: boolean = false
  private isAdmitting: boolean = false
  private isClosed: boolean = false
  /** Created when a request first stands behind others of its process. */
  private selfWaits: SelfWaitWatch | undefined = undefined

  /** @param kept has this object under its name, until it is idle while too many are kept. */
  constructor(queue: TicketQueue, name: string, kept: KeptResources) {
    this.queue = queue
    this.name = name
    this.kept = kept
  }

  get isIdle(): boolean {
    return this.groups.length === 0 && !this.isPlacing
  }

  /** Removes it from the resources that are kept, as soon as it is idle. */
  close(): void {
    this.isClosed = true
    if (this.isIdle) this.remove()
  }

  /** Settles `request` once it is granted, refused or cancelled. If it throws, the request has no place, and isn't settled. */
  add(request: Request): void {
    if (!this.isPlacing) {
      // A request whose signal aborts right after the call must never be in the queue; and a process that exits makes no new tickets.
      if (this.groups.length === 0 && request.signal === undefined && !isExiting()) {
        const group = new Group(this, request)
        // `push` would make room for 17 groups.
        this.groups = [group]
        this.entering = 1
        return group.enter()
      }
      if (this.groups.length === 1) {
        if (this.groups[0]!.serveKept(request)) return
        // If the kept ticket was gone, no group is left, and this object may have been removed. Later requests must still come to it, behind this one.
        if (!this.kept.has(this.name)) this.kept.set(this.name, this)
      }
    }
    this.intake.push(request)
    this.startPlacing()
  }

  /** Acquires the lock if that needs no waiting; otherwise returns undefined. Throws what `add` rejects with. */
  acquireAtOnce(asked: AcquireRequest): Grant | undefined {
    if (!this.isIdle) return undefined
    let granted: Grant | undefined
    let failure: { readonly error: unknown } | undefined
    const request = new Request(asked, {
      onGrant: (grant) => (granted = grant ?? undefined),
      onError: (error) => (failure = { error }),
    })
    const group = new Group(this, request)
    this.groups.push(group)
    this.entering += 1
    group.enterAtOnce()
    if (failure !== undefined) throw failure.error
    return granted
  }

  /** Whether there is only one group. */
  isAlone(): boolean {
    return this.groups.length === 1
  }

  onOver(group: PlacedGroup): void {
    const { groups } = this
    if (groups[groups.length - 1] === group) groups.pop()
    else groups.splice(groups.indexOf(group), 1)
    if (groups.length === 0 && !this.isPlacing) this.becomeIdle()
  }

  /** Places these requests again, before all later ones: the ticket that they waited by is gone. */
  placeAgain(requests: readonly Request[]): void {
    if (requests.length === 0) return
    // There may be more of them than a call can have arguments.
    this.intake = [...requests, ...this.intake]
    this.startPlacing()
  }

  /** Lets the groups that are outside enter the queue, as far as it is their turn. */
  admit(): void {
    // A group may enter at once, or fail, and then this is called again.
    if (this.isAdmitting) return
    this.isAdmitting = true
    // Bound: each round takes a group from `outside`.
    for (;;) {
      const first = this.groups.find(({ state }) => state === 'outside' || state === 'joining')
      if (first?.state !== 'outside') break
      first.enter()
    }
    this.isAdmitting = false
  }

  private startGroup(request: Request): PlacedGroup {
    const group = this.createGroup(request)
    this.groups.push(group)
    this.entering += 1
    if (this.entering === 1 || !request.wait || request.steal) group.enter()
    return group
  }

  private createGroup(request: Request): PlacedGroup {
    const { claim, wait, steal } = request
    const { queue } = this
    const isPermit = claim.kind === 'permit' && claim.take === 1 && wait && !steal
    // The queue must be able to tell whether somebody stands behind several tickets, and the tickets must be shareable.
    if (isPermit && queue.areLast !== undefined && queue.ticketPerRequest !== true) {
      return new PermitGroup(this, request, claim)
    }
    return new Group(this, request)
  }

  private startPlacing(): void {
    if (this.isPlacing) return
    this.isPlacing = true
    // A promise is used because queueMicrotask() creates a context of its own for what it runs.
    void SETTLED.then(this.placeAll)
  }

  private readonly placeAll = async (): Promise<void> => {
    // Bound: the requests that come; each round takes all that are there.
    while (this.intake.length > 0) {
      const batch = this.intake
      this.intake = []
      try {
        const newest = this.groups.at(-1)
        // One look costs as much as a listing.
        const isOpen = newest !== undefined && batch.some((request) => newest.isOpenTo(request))
        const isLast = isOpen && newest.isLast()
        this.place(batch, (isLast instanceof Promise ? await isLast : isLast) ? newest : undefined)
      } catch (error) {
        for (const request of batch) if (!request.isSettled) request.reject(error)
      }
    }
    this.isPlacing = false
    if (this.groups.length === 0) this.becomeIdle()
  }

  /** @param joinable the newest group, if no other ticket stands behind it. */
  private place(batch: readonly Request[], joinable: PlacedGroup | undefined): void {
    let newest = joinable
    for (const request of batch) {
      if (request.isSettled) continue
      if (this.groups.length > 0 && request.noticesSelfWait) {
        this.selfWaits ??= new SelfWaitWatch(() => this.groups)
        this.selfWaits.start()
      }
      newest = this.placeOne(request, newest)
    }
  }

  /** Returns the group that the next one may join. */
  private placeOne(request: Request, joinable: PlacedGroup | undefined): PlacedGroup | undefined {
    try {
      if (joinable?.accept(request) === true) return joinable
      let newest: PlacedGroup | undefined
      // Bound: the requests to be placed before it go into a group that has no slice of its own by then, which takes all of them.
      for (const before of this.groups.at(-1)?.giveWay() ?? []) newest = this.placeOne(before, newest)
      if (newest?.accept(request) === true) return newest
      // This group isn't looked up as the last in `groups`: if it has ended at once, the last is another group, and others may stand behind that.
      return this.startGroup(request)
    } catch (error) {
      // Only this request fails: others of the batch may have their places already.
      request.cancel(error)
      return joinable
    }
  }

  private becomeIdle(): void {
    this.selfWaits?.stop()
    if (this.isClosed || this.kept.size > MOST_KEPT) this.remove()
  }

  private remove(): void {
    if (this.kept.get(this.name) === this) this.kept.delete(this.name)
  }
}
