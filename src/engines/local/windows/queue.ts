/**
 * The queue of one lock on Windows, as one process (or worker thread) takes part in it: how what `TicketQueue` asks for becomes steps in the directory.
 *
 * The rules are those of Linux (docs/algorithm.md, and "Rules" in model/README.md): a ticket is a name in the lock's directory, which sorts in the order of
 * the queue. What differs:
 *
 *  - A ticket is a file that its owner has open without sharing, deleted on close. So dead processes leave nothing, and EBUSY shows that a ticket lives.
 *  - A ticket whose turn has come opens the guard as well (guard.ts), and holds once it has it. So exclusion needs no listing, and no rule of the queue.
 *  - Waiters are woken over named pipes (bell.ts). A pipe proves nothing.
 *
 *  J     join.ts      make a ticket, then list; withdraw if anything is behind
 *  T     turn.ts      open the guard; safety hangs on it alone
 *  W     wait.ts      look, connect, sleep
 *  N, D  leave.ts     close the guard, then the ticket; then notifier.ts. A downgrade makes a mark, and opens the guard shared
 */
import type { Cancellation } from '../../../requests/cancellation.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../../requests/ticket-queue.ts'
import { splitByTurn } from '../../../core/standing.ts'
import type { Ticket } from '../../../core/ticket.ts'
import { formatParty } from '../party-json.ts'
import type { LockHandle } from '../lock-handle.ts'
import type { WindowsDirectory } from './directory.ts'
import { join, joinIfFree, joinSlowly } from './join.ts'
import { downgrade, leaveToOthers, withdraw } from './leave.ts'
import { giveUp, isLost } from './lost.ts'
import type { Presence, PresentQueue } from './presence.ts'
import { QueueState } from './state.ts'
import type { OwnTicket } from './ticket.ts'
import { tidy } from './tidy.ts'
import { grant, listTurn } from './turn.ts'
import { refuseManyPermits } from './unsupported.ts'
import { awaitChange } from './wait.ts'

export class WindowsQueue implements TicketQueue<OwnTicket, Ticket>, PresentQueue {
  readonly stealing: Stealing<OwnTicket> | undefined
  protected readonly state: QueueState

  /** @param name that of a named lock, which can be stolen. */
  constructor(directory: WindowsDirectory, presence: Presence, name?: string) {
    this.state = new QueueState(directory, presence, name)
    if (name === undefined) return
    this.stealing = {
      // It has the guard.
      becomeHolder: () => true,
      isHolder: (own) => this.isHeld(own),
      // Requests that wait by the ticket of a former holder, whose lock was stolen, keep their place.
      setHasWaiters: (own) => !own.isOver,
    }
  }

  /** Own tickets in the directory, by id. */
  get own(): ReadonlyMap<string, OwnTicket> {
    return this.state.own
  }

  get size(): number {
    return this.own.size
  }

  enqueue(request: EnqueueRequest): OwnTicket | Promise<OwnTicket | null> {
    refuseManyPermits(request.claim)
    return join(this.state, request) ?? joinSlowly(this.state, request)
  }

  joinIfFree(request: EnqueueRequest): OwnTicket | undefined {
    refuseManyPermits(request.claim)
    return joinIfFree(this.state, request)
  }

  list(own: OwnTicket): readonly Ticket[] {
    return listTurn(this.state, own)
  }

  isLast(own: OwnTicket): boolean {
    return this.areLast([own])
  }

  areLast(own: readonly OwnTicket[]): boolean {
    const { view } = this.state
    view.list()
    return view.endsWith(own)
  }

  anyChange(own: OwnTicket, among: readonly Ticket[], cancellation: Cancellation): void | Promise<void> {
    return awaitChange(this.state, own, among, cancellation)
  }

  granted(own: OwnTicket): GrantFacts {
    return grant(this.state, own)
  }

  isHeld(own: OwnTicket): boolean {
    return own.isHeld && !isLost(this.state, own)
  }

  isWanted(own: OwnTicket): boolean {
    const { view } = this.state
    view.list()
    // A ticket that is joining may withdraw in a moment.
    return splitByTurn(view.all()).pending.some((ticket) => ticket.id !== own.id && !ticket.joining)
  }

  withdraw(own: OwnTicket): void {
    withdraw(this.state, own)
  }

  leave(): void {
    for (const own of this.own.values()) if (!own.isHeld || own.request.isKept === true) this.withdraw(own)
  }

  tidy(): void {
    tidy(this.state)
  }

  /** What keeps the ticket `own`, which holds, and its guards. See {@link LockHandle}. */
  handleOf(own: OwnTicket): LockHandle {
    return {
      descriptors: [own.descriptor, ...(own.hold?.descriptors ?? [])],
      close: () => Promise.resolve(leaveToOthers(this.state, own)),
    }
  }

  onWake(id: string): void {
    const own = this.own.get(id)
    own?.wake()
    // Who tells a holder to look may be a thief.
    if (own !== undefined) isLost(this.state, own)
  }

  onBreak(id: string): void {
    const own = this.own.get(id)
    if (own !== undefined) giveUp(this.state, own)
  }

  onConnected(): void {
    this.state.wakeOwn()
  }

  onDisconnected(): void {
    this.state.wakeOwn()
    this.state.notifier.repeat()
  }

  describe(): string {
    return formatParty(this.own.values())
  }
}

/** The queue of a lock that can't be stolen. */
export class WindowsPathQueue extends WindowsQueue {
  downgrade(own: OwnTicket): void {
    downgrade(this.state, own)
  }
}
