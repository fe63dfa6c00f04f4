/**
 * The queue of one lock, as one process (or worker thread) takes part in it: turns the methods of `TicketQueue` into steps in the
 * directory and on sockets. Full description: docs/algorithm.md.
 *
 *  J     join.ts   link, then list; withdraw if anything is behind.  Safety depends on J and L alone.
 *  L     wait.ts   only a ticket that refuses a connection is dead.
 *  W     wait.ts   connect, list again, sleep.                       These are for speed: a waiter looks again by
 *  N, D  leave.ts  unlink first; then notify the successors.         itself once a second.
 */
import type { Cancellation } from '../../requests/cancellation.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../requests/ticket-queue.ts'
import { splitByTurn } from '../../core/standing.ts'
import { debug } from '../../debug.ts'
import { isSlocketError, SlocketError } from '../../errors.ts'
import { join, joinIfFree, joinSlowly } from './join.ts'
import { nextToken } from './platform/kernel.ts'
import { downgrade, takeOutStuck, notifyAgain, withdraw } from './leave.ts'
import type { PresentQueue } from './members/presence.ts'
import type { QueueState } from './state.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { awaitChange, removeDeadBehind } from './wait.ts'
import { setTimeout, queueMicrotask } from '../../real-time.ts'

/** How long after the end of a connection to look for its member's dead tickets, in ms: a waiter for one of them goes first. */
const SWEEP_AFTER_MS = 10

export class LocalQueue implements TicketQueue<OwnTicket, ListedTicket>, PresentQueue {
  readonly stealing: Stealing<OwnTicket> | undefined
  protected readonly state: QueueState

  constructor(state: QueueState) {
    this.state = state
    this.stealing = state.stealing
  }

  /** Own tickets in the directory, by id. */
  get own(): ReadonlyMap<string, OwnTicket> {
    return this.state.own
  }

  enqueue(request: EnqueueRequest): OwnTicket | null | Promise<OwnTicket | null> {
    const joined = join(this.state, request) ?? joinSlowly(this.state, request)
    if (!request.steal) return joined
    return joined instanceof Promise ? joined.then((own) => this.stealFor(own)) : this.stealFor(joined)
  }

  joinIfFree(request: EnqueueRequest): OwnTicket | undefined {
    return joinIfFree(this.state, request)
  }

  /** Called when a thief has joined in front: takes the lock from the holders. */
  private stealFor(own: OwnTicket | null): OwnTicket | null | Promise<OwnTicket> {
    if (own === null) return null
    const onFailure = (error: unknown): never => {
      this.withdraw(own)
      throw error
    }
    try {
      const stealing = this.state.stealing?.steal(own)
      return stealing === undefined ? own : stealing.then(() => own, onFailure)
    } catch (error) {
      return onFailure(error)
    }
  }

  list(own: OwnTicket): readonly ListedTicket[] {
    const { joinListing } = own
    if (joinListing !== undefined) {
      own.joinListing = undefined
      return joinListing
    }
    own.isWoken = false
    return this.state.view.listAhead(own)
  }

  isLast(own: OwnTicket): boolean {
    this.state.view.list()
    return this.wasLast(own)
  }

  wasLast(own: OwnTicket): boolean {
    return this.state.view.endsWith(own)
  }

  areLast(own: readonly OwnTicket[]): boolean {
    const { view } = this.state
    view.list()
    return view.endsWithAll(own)
  }

  anyChange(own: OwnTicket, among: readonly ListedTicket[], cancellation: Cancellation): void | Promise<void> {
    return awaitChange(this.state, own, among, cancellation)
  }

  granted(own: OwnTicket): GrantFacts {
    if (!own.isHeld) {
      own.isHeld = true
      this.state.presence.watch(true)
    }
    // RACE: the lock was stolen between its turn and this line. It has held, and is notified as soon as it knows that.
    if (own.isStolen) queueMicrotask(() => own.isStolen && this.state.stealing?.notifyStolen(own))
    return { token: nextToken(), recovered: this.state.view.dead.size > 0 && this.removeDead(own) }
  }

  isHeld(own: OwnTicket): boolean {
    return !this.isLost(own)
  }

  isWanted(own: OwnTicket): boolean {
    const { view } = this.state
    // A ticket that is joining may withdraw in a moment.
    return splitByTurn(view.read()).pending.some(({ id, joining }) => id !== own.id && !joining)
  }

  withdraw(own: OwnTicket): void {
    withdraw(this.state, own)
  }

  onWake(id: string): void {
    const own = this.state.own.get(id)
    own?.wake()
    // The process that makes a holder look may be a thief, or may have removed its ticket.
    if (own !== undefined) this.isLost(own)
  }

  /** Another process knows of us from now on. A wake-up may have been missed before. */
  onConnected(): void {
    this.state.wakeOwn()
  }

  onDisconnected(peer: string): void {
    this.state.wakeOwn()
    notifyAgain(this.state.left)
    setTimeout(() => {
      removeDeadBehind(this.state, peer).catch((error: unknown) => debug('removing dead tickets: %s', error))
      this.askMember(peer)
    }, SWEEP_AFTER_MS).unref()
  }

  /** The member may have died without a ticket: then no other process removes its socket, and the directory stays because of it. */
  private askMember(peer: string): void {
    const { directory, presence } = this.state
    try {
      for (const file of directory.memberNames()) if (file.startsWith(`${peer}.`)) presence.ask(file)
    } catch (error) {
      debug('%s: cannot look for what %s has left: %s', directory.path, peer, error)
    }
  }

  /** Finds held tickets that are gone; touches the others if asked to; tries again to remove tickets that are stuck. */
  checkOwnTickets(touch: boolean): boolean {
    const { directory, own: tickets } = this.state
    takeOutStuck(this.state)
    let needsCloseWatch = false
    for (const own of tickets.values()) {
      if (own.isHeld || own.isOver) needsCloseWatch = true
      if (this.isLost(own)) continue
      if (touch) directory.touch(own.name)
      if (own.isDowngraded && own.claim.kind === 'exclusive') this.downgradeAgain(own)
    }
    return needsCloseWatch
  }

  /** The ticket could not be downgraded before. */
  private downgradeAgain(own: OwnTicket): void {
    try {
      downgrade(this.state, own)
    } catch (error) {
      if (!isSlocketError(error)) throw error
      debug('%s: ticket %s could not be downgraded: %s', this.state.directory.path, own.id, error)
    }
  }

  /** Whether it held and no longer does, since its lock was stolen or its ticket is gone: then it has been notified. */
  protected isLost(own: OwnTicket): boolean {
    const { directory, stealing } = this.state
    if (!own.isHeld || own.isOver) return false
    if (stealing?.isHolder(own) === false) return true
    if (directory.has(own.name)) return false
    debug('%s: ticket %s was removed from outside while it held', directory.path, own.id)
    const message = `the lock '${directory.path}' was lost: its ticket was removed from outside`
    own.request.onLost(new SlocketError('ERR_SLOCKET_LOST', message))
    return true
  }

  leave(): void {
    for (const own of this.state.own.values()) {
      if (own.isHeld && own.request.isKept !== true && this.state.stealing?.isHolder(own) !== false) continue
      try {
        // Removing the name alone isn't enough: a ticket that waited for it now waits for the tickets ahead of it.
        this.withdraw(own)
      } catch (error) {
        debug('%s: ticket %s could not be withdrawn: %s', this.state.directory.path, own.id, error)
      }
    }
  }

  /** Removes dead tickets ahead of a ticket that holds from now on. Returns true if one of them may have held and its death hasn't been reported. */
  private removeDead(own: OwnTicket): boolean {
    const { view, directory } = this.state
    let isRecovered = false
    for (const dead of view.dead.values()) {
      if (dead.name > own.name || dead.isReported) continue
      if (dead.claim.kind === 'shared') {
        directory.removeTicket(dead.name)
        continue
      }
      if (!view.isReported(dead)) isRecovered = true
      // Shared holders leave it: each of them, and the next exclusive holder, gets `recovered`.
      if (own.claim.kind === 'shared') continue
      // Requests that hold by this ticket after this one don't get `recovered`, although no listing has shown the mark by then.
      dead.isReported = true
      directory.removeOrMark(dead.name)
    }
    return isRecovered
  }
}

/** The queue of a lock that can't be stolen. */
export class PathQueue extends LocalQueue {
  downgrade(own: OwnTicket): void {
    if (!downgrade(this.state, own)) this.isLost(own)
  }
}
