/**
 * The queue of one lock, as one process (or worker thread) takes part in it. docs/algorithm.md tells it step by step.
 *
 *  J  join: link the ticket, then list. If the list shows anything behind it, withdraw and join again with a higher number.
 *  L  liveness: dead is only what refuses a connection, gone is only what has no name. All else is no proof.
 *  W  wait: connect, mark, then list again; sleep only on what that last list shows.
 *  R  release: unlink first; then tell the successors, whoever can be told.
 *
 * Safety hangs on J and L alone. W and R are for speed: a waiter looks again by itself once a second.
 */
import type { Cancellation } from '../../contract/cancellation.ts'
import type { EnqueueRequest, GrantFacts, TicketQueue } from '../../contract/ticket-queue.ts'
import { tellSuccessors } from '../../core/successors.ts'
import { debug } from '../../debug.ts'
import { SlocketError } from '../../errors.ts'
import type { Departed } from './connection.ts'
import type { QueueDirectory } from './directory.ts'
import { refuseDeadSocket, waitUntilForeignGone } from './foreign.ts'
import { clockNumber, kernelId, nextNumber, nextToken } from './kernel.ts'
import { isProvenDead } from './liveness.ts'
import type { Reached } from './member.ts'
import { DirectoryGone, memberFile } from './member.ts'
import type { Presence } from './presence.ts'
import { QueueView } from './queue-view.ts'
import type { ListedTicket } from './ticket.ts'
import { OwnTicket } from './ticket.ts'
import type { TicketName } from './ticket-name.ts'
import { formatTicketName, markedName, NUMBER_DIGITS, NUMBERS_END, ticketId } from './ticket-name.ts'

/** How soon to look again while somebody waited for does not know of us: doubles from the first to the second, in ms. */
const FIRST_LOOK_MS = 1
const SLOWEST_LOOK_MS = 50
/** How soon to look again while everybody waited for knows of us: a releaser may be stopped between its two steps. */
const BELT_MS = 1000
/** Names that one getdents(2) is sure to return at once: within it a rename cannot hide a name. (32 KiB hold about 340.) */
const SAFE_LISTING = 200
/** The longest random pause before joining again, doubling up to it, in ms. */
const LONGEST_PAUSE_MS = 16

export class LocalQueue implements TicketQueue<OwnTicket, ListedTicket> {
  readonly #directory: QueueDirectory
  readonly #presence: Presence
  readonly #own = new Map<string, OwnTicket>()
  readonly #view: QueueView
  #highestNumber = '0'.repeat(NUMBER_DIGITS)

  constructor(directory: QueueDirectory, presence: Presence) {
    this.#directory = directory
    this.#presence = presence
    this.#view = new QueueView(
      directory,
      (id) => this.#own.has(id),
      (ticket) => this.#isReached(ticket),
    )
    presence.attach(this)
  }

  /** Own tickets in the directory, by id. */
  get own(): ReadonlyMap<string, OwnTicket> {
    return this.#own
  }

  get isInUse(): boolean {
    return this.#own.size > 0
  }

  enqueue(request: EnqueueRequest): OwnTicket | null | Promise<OwnTicket | null> {
    return this.#join(request) ?? this.#joinSlowly(request)
  }

  list(own: OwnTicket): readonly ListedTicket[] {
    const { joinListing } = own
    if (joinListing !== undefined) {
      own.joinListing = undefined
      return joinListing
    }
    own.isWoken = false
    return this.#view.read()
  }

  isLast(own: OwnTicket): boolean {
    this.#view.read()
    return this.#view.last?.id === own.id
  }

  async anyChange(own: OwnTicket, among: readonly ListedTicket[], cancellation: Cancellation): Promise<void> {
    const unreached = among.filter((ticket) => !this.#isReached(ticket))
    if (unreached.length > 0) {
      own.lookAgainMs = FIRST_LOOK_MS
      const reached = await Promise.all(unreached.map((ticket) => this.#reach(own, ticket)))
      if (reached.includes('busy')) await own.sleep(SLOWEST_LOOK_MS, cancellation.signal)
      else if (!own.isMarked) this.#mark(own)
      return
    }
    if (!own.isMarked && this.#mark(own)) return
    await own.sleep(this.#lookAgainMs(own, among), cancellation.signal)
  }

  granted(own: OwnTicket): GrantFacts {
    own.isHeld = true
    this.#presence.startWatch()
    return { token: nextToken(), recovered: this.#view.dead.size > 0 && this.#bury(own) }
  }

  withdraw(own: OwnTicket): void {
    if (own.isOver) return
    own.isOver = true
    try {
      this.#directory.unlink(own.name)
    } catch (error) {
      // The name cannot be taken out (a read-only file system, say). Without its socket it is dead all the same.
      if (!this.#presence.abandon(own))
        throw new SlocketError('ERR_SLOCKET_NOT_RELEASED', String(error), { cause: error })
    }
    this.#own.delete(own.id)
    this.#tellSuccessors(own)
    own.dispose?.()
    this.#presence.onLeft(own.request.lingerMs)
  }

  onWake(id: string): void {
    this.#own.get(id)?.wake()
  }

  /** Somebody knows of us from now on, or is gone: whatever waits looks again. */
  wakeOwn(): void {
    for (const own of this.#own.values()) own.wake()
  }

  /** A connection ended. Whoever was told over it may never have heard: tell the next one too. */
  onDisconnected(peer: string, told: Departed | undefined): void {
    this.wakeOwn()
    if (told !== undefined) this.#tellSuccessors(told)
    this.#sweepBehind(peer).catch((error: unknown) => debug('%s: sweep: %s', this.#directory.path, error))
  }

  /** Finds held tickets that are gone, and touches the rest where asked to. */
  checkHeld(touch: boolean): void {
    for (const own of this.#own.values()) {
      if (own.isHeld && !this.#directory.has(own.name)) {
        debug('ticket %s was removed from outside while it held', own.id)
        own.request.onLost(
          new SlocketError(
            'ERR_SLOCKET_LOST',
            `the lock '${this.#directory.path}' was lost: its ticket was removed from outside`,
          ),
        )
      } else if (touch) this.#directory.touch(own.name)
    }
  }

  /** Undefined where it has to be tried again, or slowly. */
  #join(request: EnqueueRequest): OwnTicket | undefined {
    const { member } = this.#presence
    if (member === undefined || this.#presence.hasNoLinks) return undefined
    const [name, parsed] = this.#newName(request, member.id)
    switch (this.#directory.link(memberFile(member.id), name)) {
      case 'linked':
        return this.#settleIn(new OwnTicket(name, parsed, member, request))
      case 'gone':
        this.#presence.retire()
        return undefined
      case 'no-links':
        debug('%s: no hard links here; one socket for each ticket', this.#directory.path)
        this.#presence.hasNoLinks = true
        return undefined
    }
  }

  /** As #join, where the file system has no hard links: a socket for the ticket alone. */
  async #joinWithOwnSocket(request: EnqueueRequest): Promise<OwnTicket | undefined> {
    const { member } = this.#presence
    if (member === undefined) return undefined
    const socket = await this.#presence.listenForTicket(member)
    const [name, parsed] = this.#newName(request, member.id)
    if (member !== this.#presence.member || !this.#directory.rename(socket.name, name)) {
      socket.close()
      return undefined
    }
    const own = new OwnTicket(name, parsed, member, request)
    own.dispose = socket.close
    return this.#settleIn(own)
  }

  async #joinSlowly(request: EnqueueRequest): Promise<OwnTicket | null> {
    // Bound: a round fails only because somebody else joined or left meanwhile, or because something foreign is in the way.
    for (let round = 0; !request.cancellation.cancelled; round += 1) {
      try {
        if (this.#presence.member === undefined && (await this.#presence.open()) === 'foreign') {
          if (!request.wait) {
            await refuseDeadSocket(this.#directory)
            return null
          }
          await waitUntilForeignGone(this.#directory, request.cancellation)
          continue
        }
        const own =
          this.#join(request) ?? (this.#presence.hasNoLinks ? await this.#joinWithOwnSocket(request) : undefined)
        if (own !== undefined) return own
      } catch (error) {
        if (!(error instanceof DirectoryGone)) throw error
      }
      if (round > 0) await pause(round)
    }
    return null
  }

  #newName(request: EnqueueRequest, member: string): [string, TicketName] {
    const now = clockNumber()
    const number = now > this.#highestNumber ? now : nextNumber(this.#highestNumber)
    if (number >= NUMBERS_END) {
      throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', `the ticket numbers of '${this.#directory.path}' are used up`)
    }
    this.#highestNumber = number
    const { pid } = process
    const id = ticketId(number, member)
    const parsed = { id, number, claim: request.claim, pid, member, kernel: kernelId(), isMarked: false }
    return [formatTicketName(parsed), parsed]
  }

  /**
   * J, after the link. That a list was made before somebody else's link does no harm: that somebody is then the later one.
   * Dead ones behind count too: one of them may have held before the link, and is then a predecessor to be reported.
   */
  #settleIn(own: OwnTicket): OwnTicket | undefined {
    this.#own.set(own.id, own)
    let listing: readonly ListedTicket[]
    try {
      listing = this.#view.read()
    } catch (error) {
      this.withdraw(own)
      throw error
    }
    const { last } = this.#view
    if (last?.id === own.id) {
      own.joinListing = listing
      debug('%s: ticket %s joined, place %d', this.#directory.path, own.id, listing.length)
      return own
    }
    if (last !== undefined && last.number > this.#highestNumber) this.#highestNumber = last.number
    debug('%s: ticket %s withdraws, another one is behind it', this.#directory.path, own.id)
    this.withdraw(own)
    return undefined
  }

  /** Whether there is proof right now that the owner of the ticket lives. */
  #isReached(ticket: ListedTicket): boolean {
    return this.#own.has(ticket.id) || this.#presence.connectionTo(ticket.member) !== undefined
  }

  async #reach(own: OwnTicket, ticket: ListedTicket): Promise<Reached> {
    const reached = await own.member.connect(this.#presence.addressOf(ticket.name), ticket.member)
    if (reached !== 'refused') return reached
    if (!isProvenDead(this.#directory, ticket)) return 'busy'
    debug('%s: ticket %s is dead', this.#directory.path, ticket.id)
    // Dead shared ones broke nothing: whoever finds one removes it.
    if (ticket.claim.kind === 'shared') this.#directory.sweep(ticket.name)
    this.#view.dead.set(ticket.id, ticket)
    return reached
  }

  /** Says by its name that the ticket waits. False where that has to be left. */
  #mark(own: OwnTicket): boolean {
    const to = markedName(own.name)
    if (this.#view.size > SAFE_LISTING) {
      if (this.#presence.hasNoLinks) return false
      if (this.#directory.relink(own.name, to)) own.becomeMarked()
    } else if (this.#directory.rename(own.name, to)) own.becomeMarked()
    return true
  }

  #lookAgainMs(own: OwnTicket, among: readonly ListedTicket[]): number {
    if (among.some((ticket) => ticket.joining)) return FIRST_LOOK_MS
    if (!own.isMarked) return SLOWEST_LOOK_MS
    const isKnown = (ticket: ListedTicket): boolean =>
      this.#own.has(ticket.id) || this.#presence.connectionTo(ticket.member)?.isAnswered === true
    if (among.every(isKnown)) return BELT_MS
    const ms = own.lookAgainMs
    own.lookAgainMs = Math.min(ms * 2, SLOWEST_LOOK_MS)
    return ms
  }

  /** R, after the unlink. */
  #tellSuccessors(departed: Departed): void {
    if (this.#own.size === 0 && !this.#presence.hasConnections) return
    let listing: readonly ListedTicket[]
    try {
      listing = this.#view.read()
    } catch (error) {
      debug('%s: cannot list the successors, so all are told: %s', this.#directory.path, error)
      this.wakeOwn()
      this.#presence.wakeAll()
      return
    }
    const behind = listing.filter(
      (ticket) => ticket.name > departed.name && (ticket.isMarked || this.#own.has(ticket.id)),
    )
    tellSuccessors(departed.claim, behind, (ticket) => {
      const own = this.#own.get(ticket.id)
      if (own !== undefined) {
        own.wake()
        return true
      }
      const connection = this.#presence.connectionTo(ticket.member)
      if (connection === undefined) return false
      // Node tells late of a failed write: see onDisconnected.
      connection.told = departed
      connection.send({ kind: 'wake', ticket: ticket.id })
      debug('%s: ticket %s has left, ticket %s is told', this.#directory.path, departed.name, ticket.id)
      return true
    })
  }

  /** Removes the dead ahead of a ticket that holds from now on. True where one of them may have held. */
  #bury(own: OwnTicket): boolean {
    let isRecovered = false
    for (const dead of this.#view.dead.values()) {
      if (dead.name > own.name) continue
      if (dead.claim.kind !== 'shared') isRecovered = true
      // A dead exclusive one is left by shared holders: each of them, and the next exclusive one, is to learn of it.
      if (own.claim.kind !== 'shared' || dead.claim.kind === 'shared') this.#directory.sweep(dead.name)
    }
    return isRecovered
  }

  /**
   * A member has gone: removes its dead tickets behind ours, so that names do not pile up behind a long hold. They
   * never held: each was linked after ours had joined (J), so each saw ours ahead, alive.
   */
  async #sweepBehind(peer: string): Promise<void> {
    const first = this.#own.values().next().value
    if (first === undefined) return
    for (const ticket of this.#view.tickets()) {
      if (ticket.member !== peer || ticket.claim.kind !== 'exclusive' || ticket.name < first.name) continue
      await this.#reach(first, ticket)
      if (!first.isOver && this.#view.dead.has(ticket.id)) this.#directory.sweep(ticket.name)
    }
  }
}

/** A small random one, so that two who disturb each other do not go on doing so. */
async function pause(round: number): Promise<void> {
  const ms = Math.random() * Math.min(2 ** round, LONGEST_PAUSE_MS)
  await new Promise((resolve) => setTimeout(resolve, ms))
}
