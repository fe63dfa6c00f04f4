/**
 * Stealing: takes a lock from its holders, and comes ahead of all waiters.
 *
 *     …-h    beside a ticket: it holds. Made when a listing has shown its turn; then it lists once more
 *     …-m    others wait by this ticket, too, so it keeps its place when its lock is stolen
 *     …-s    what a thief renames `…-h` to: the ticket no longer holds
 *
 *  1. A thief's ticket has a number below all numbers of the clock: it sorts ahead of all others. It links, then lists, then steals from every ticket
 *     behind it that the listing shows with `…-h`. So a thief sees a ticket whose turn it is, or that ticket sees the thief: either the thief's listing
 *     shows the `…-h`, and the thief takes it; or the mark was made after the thief's listing began, and so the listing that its owner makes
 *     after it shows the thief ahead.
 *  2. Stealing means renaming `…-h`. A ticket that has the mark holds; a rename succeeds once; and the owner removes the mark before it leaves the queue.
 *     So exactly one of the two happens: the lock was released, or it was stolen.
 *  3. Of several thieves, the foremost wins: a thief that finds another thief ahead when it is about to hold counts as stolen from.
 *  4. A thief renames `…-h`, then looks for `…-m`: if it is there, the ticket stays, else the thief unlinks it. The owner makes `…-m`, then looks
 *     for `…-h`: only if that is there may others wait by the ticket. So no ticket that others wait by is unlinked.
 *  5. `…-m` stays until the owner leaves the queue, or holds with no waiters. A thief may be between its two steps until then; it stands
 *     in front, so no victim holds again before the thief has left.
 *
 * See docs/decisions/0008-stealing.md.
 */
import { dirname } from 'node:path'
import { decideTurn } from '../../../core/turn.ts'
import { debug } from '../../../debug.ts'
import { isSlocketError, SlocketError } from '../../../errors.ts'
import type { LocalStealing, QueueState } from '../state.ts'
import { ListedTicket } from '../ticket.ts'
import type { OwnTicket } from '../ticket.ts'
import { formatWake } from '../wire/frames.ts'
import { connectAndNotify } from '../break.ts'
import type { TicketName } from '../ticket-name.ts'
import { isTicketName, parseTicketName } from '../ticket-name.ts'
import { passOn } from '../leave.ts'
import { reach, reachBy } from '../wait.ts'
import { HAS_WAITERS, HOLDS, STOLEN } from './marks.ts'
import { sleep } from '../../../real-time.ts'
import type { NameDirectory } from './name-directory.ts'

/** How many times to connect to the owner of a ticket whose lock was stolen, and the longest wait before the next time, in ms: some seconds in all. */
const MOST_TRIES = 20
const LONGEST_PAUSE_MS = 500

export class Holders implements LocalStealing {
  readonly #state: QueueState
  readonly #directory: NameDirectory

  constructor(state: QueueState, directory: NameDirectory) {
    this.#state = state
    this.#directory = directory
  }

  becomeHolder(own: OwnTicket): boolean {
    const { view } = this.#state
    // Made first, so that no thief sees the other mark alone.
    this.#markHasWaiters(own, own.claim.kind === 'exclusive' && own.request.requests().length > 1)
    own.isHolder = this.#directory.mark(own.name, HOLDS)
    if (!own.isHolder) {
      // It is gone: the next listing shows that.
      if (!this.#directory.has(own.name)) return false
      throw new SlocketError(
        'ERR_SLOCKET_NO_SOCKETS',
        `the file system of '${this.#directory.path}' has neither hard nor symbolic links: a named lock cannot be held there`,
      )
    }
    const turn = decideTurn(own, view.listAhead(own))
    if (turn.kind === 'held') return true
    // A thief is ahead. It may have seen the mark, or not.
    const isTakenBack = this.#directory.unlink(own.name + HOLDS)
    if (isTakenBack && !own.request.steal) {
      own.isHolder = false
      return false
    }
    if (isTakenBack || turn.kind !== 'missing' || this.#directory.has(own.name + STOLEN)) {
      this.#becomeStolen(own)
      return true
    }
    // Removed from outside.
    own.isHolder = false
    return false
  }

  isHolder(own: OwnTicket): boolean {
    if (own.isHolder && this.#directory.has(own.name + HOLDS)) return true
    const isGranted = own.isHeld
    if (own.isHolder) this.#becomeStolen(own)
    // RACE: if the lock was stolen between the turn and the grant, the grant notifies the owner: see LocalQueue.granted.
    if (isGranted) this.notifyStolen(own)
    return false
  }

  setHasWaiters(own: OwnTicket, hasWaiters: boolean): boolean {
    // Its lock was stolen, and its owner is about to be notified: it keeps its place only if others already waited by it.
    if (own.isStolen) return own.hasWaiters
    if (!own.isHolder || own.claim.kind !== 'exclusive' || own.hasWaiters === hasWaiters) return true
    this.#markHasWaiters(own, hasWaiters)
    // RACE: a thief renames the one mark, then looks for the other. So here: make the other, then look whether the one is still there.
    if (!hasWaiters || (own.hasWaiters && this.#directory.has(own.name + HOLDS))) return true
    this.#markHasWaiters(own, false)
    this.isHolder(own)
    return false
  }

  /** Removes the marks of a ticket that is about to leave the queue. */
  clearHolderMarks(own: OwnTicket): void {
    this.#markHasWaiters(own, false)
    if (own.isHolder && !this.#directory.unlink(own.name + HOLDS)) this.#directory.removeEntry(own.name + STOLEN)
    own.isHolder = false
  }

  /** Steals the lock from all its holders, for the ticket `thief`, which is in front. @throws ERR_SLOCKET_PERMISSION if one of them is another user's, and alive. */
  steal(thief: OwnTicket): void | Promise<void> {
    const refusals = new Map<string, SlocketError>()
    const victims = this.#directory
      .names()
      // Tickets ahead are later thieves, which came between its listing and this one: they have stolen the lock from it.
      .filter((name) => name.endsWith(HOLDS) && name > thief.name && !name.startsWith(thief.name))
      .map((name) => name.slice(0, -HOLDS.length))
      .filter((name) => this.#stealFrom(name, refusals))
    if (victims.length > 0) this.#wakeAll(thief, victims)
    if (refusals.size > 0) return this.#refuseUnlessDead(thief, refusals)
  }

  /** A dead ticket doesn't hold, even if this user may not remove its mark. */
  async #refuseUnlessDead(thief: OwnTicket, refusals: ReadonlyMap<string, SlocketError>): Promise<void> {
    for (const [name, refusal] of refusals) {
      const ticket = new ListedTicket(name, parseTicketName(name)!, this.#state.view)
      const reached = this.#state.isReached(ticket) ? 'connected' : await reach(this.#state, thief, ticket)
      if (reached !== 'refused' && reached !== 'gone') throw refusal
    }
  }

  #wakeAll(thief: OwnTicket, victims: readonly string[]): void {
    debug('%s: ticket %s has stolen from %d tickets', this.#directory.path, thief.id, victims.length)
    for (const name of victims) this.#wake(thief, name)
    // S1: tickets that waited for them, or for tickets ahead of them, now wait for the thief, and the thief has to know of them.
    passOn(this.#state, thief)
    for (const name of victims) {
      const parsed = parseTicketName(name)
      if (parsed === undefined || this.#directory.has(name)) continue
      passOn(this.#state, { name, claim: parsed.claim, owner: thief.owner, isHeld: false })
    }
  }

  /** Notifies the former holders of a ticket from which the lock was stolen. */
  notifyStolen(own: OwnTicket): void {
    own.isStolen = false
    own.isHeld = false
    own.request.onStolen(
      new SlocketError(
        'ERR_SLOCKET_LOST',
        `the lock '${this.#directory.path}' was stolen, or its ticket was removed from outside`,
      ),
    )
  }

  #markHasWaiters(own: OwnTicket, hasWaiters: boolean): void {
    if (own.hasWaiters === hasWaiters) return
    if (!hasWaiters) this.#directory.removeEntry(own.name + HAS_WAITERS)
    own.hasWaiters = hasWaiters && this.#directory.mark(own.name, HAS_WAITERS)
  }

  /** The mark `…-m` stays: the thief may not have looked for it yet. */
  #becomeStolen(own: OwnTicket): void {
    this.#directory.removeEntry(own.name + STOLEN)
    own.isHolder = false
    own.isStolen = true
    own.isHeld = false
  }

  /** False if the ticket no longer holds, or if it is another user's: then `refusals` has it. */
  #stealFrom(name: string, refusals: Map<string, SlocketError>): boolean {
    const directory = this.#directory
    try {
      if (!directory.renameMark(name + HOLDS, name + STOLEN)) return false
    } catch (error) {
      if (!isSlocketError(error, 'ERR_SLOCKET_PERMISSION') || !isTicketName(name)) throw error
      refusals.set(name, error)
      return false
    }
    if (!directory.has(name + HAS_WAITERS)) directory.unlink(name)
    return true
  }

  /** Makes the owner of a ticket look at the queue. */
  #wake(thief: OwnTicket, name: string): void {
    const { own: tickets, presence } = this.#state
    const parsed = parseTicketName(name)
    if (parsed === undefined) return
    const own = tickets.get(parsed.id)
    if (own !== undefined) {
      own.wake()
      this.isHolder(own)
      return
    }
    const { id, member } = parsed
    if (this.#directory.isForeign(name + STOLEN)) return this.#notifyByMember(name, parsed)
    // Without a connection, one is made, to the name that its socket has now: a process that is connected to looks, too.
    const ticket = new ListedTicket(name + STOLEN, parsed, this.#state.view)
    this.#reach(thief, ticket).then(
      () => presence.members.connectionsTo(member).forEach((connection) => connection.send(formatWake(id))),
      (error: unknown) => debug('%s: ticket %s cannot be notified: %s', this.#directory.path, id, error),
    )
  }

  /** The mark is a symbolic link, which doesn't lead to a socket. If its owner is dead, only the thief removes what the ticket has left. */
  #notifyByMember(name: string, parsed: TicketName): void {
    connectAndNotify(dirname(this.#directory.path), [parsed]).then(
      (isThere) => isThere || this.#directory.removeLoneMarksOf(name),
      (error: unknown) => debug('%s: ticket %s cannot be notified: %s', this.#directory.path, parsed.id, error),
    )
  }

  async #reach(thief: OwnTicket, ticket: ListedTicket): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES && !this.#state.isReached(ticket); tries += 1) {
      // By its member: the thief's ticket may have left meanwhile, and only the thief removes what a dead owner has left.
      const reached = await reachBy(this.#state, thief.owner, ticket)
      if (reached === 'refused') return this.#directory.removeEntry(ticket.name)
      if (reached === 'connected' || reached === 'gone') return
      // It is dying, or has no room for connections.
      await sleep(Math.min(2 ** tries, LONGEST_PAUSE_MS), { ref: false })
    }
  }
}
