/**
 * The queue as the directory shows it: in order, without dead tickets, and without entries that aren't sockets.
 *
 * A listing returns names. Only a few of them matter to the caller: the nearest ahead, and the next ones behind. So a
 * name becomes a ticket only when it is needed (parsing all names takes longer than listing them). Looking at what a
 * name leads to costs as much as a listing, so it is done only before a decision depends on it: see
 * {@link QueueView.isForeign}.
 */
import { SHARED } from '../../core/claim.ts'
import { isPassedOver, mostAhead } from '../../core/turn.ts'
import { debug } from '../../debug.ts'
import type { QueueDirectory } from './directory.ts'
import type { OwnTicket } from './ticket.ts'
import { ListedTicket } from './ticket.ts'
import { DOWNGRADED, parseTicketName, REPORTED } from './ticket-name.ts'

const DASH = 0x2d
const MARK_LENGTH = REPORTED.length

export class QueueView {
  /** Tickets found dead that the last listing still showed, by name. A dead ticket stays dead. */
  readonly dead: Map<string, ListedTicket> = new Map()
  // Plain properties: before V8 has optimized a function, private ones cost twice as much (Node 20).
  private readonly directory: QueueDirectory
  private readonly own: ReadonlyMap<string, OwnTicket>
  private readonly isReached: (ticket: ListedTicket) => boolean
  /** The last listing: tickets, their marks, and all other entries; sorted. */
  private names: readonly string[] = []
  /** Tickets that were looked at in the last listing, by name, and in the one before. A name that was gone meanwhile may be anything now. */
  private known = new Map<string, ListedTicket>()
  private knownBefore = new Map<string, ListedTicket>()

  /** @param own the tickets of this process in the queue, by id. */
  constructor(
    directory: QueueDirectory,
    own: ReadonlyMap<string, OwnTicket>,
    isReached: (ticket: ListedTicket) => boolean,
  ) {
    this.directory = directory
    this.own = own
    this.isReached = isReached
  }

  /** Lists the queue now. */
  list(): void {
    this.names = this.directory.names()
    const oldest = this.knownBefore
    oldest.clear()
    this.knownBefore = this.known
    this.known = oldest
    if (this.dead.size === 0) return
    for (const name of this.dead.keys()) if (!this.shows(name)) this.dead.delete(name)
  }

  /** Lists the queue now, and returns its tickets, without entries that are known not to be tickets. */
  read(): ListedTicket[] {
    this.list()
    return this.all()
  }

  /** The same of the last listing. */
  all(): ListedTicket[] {
    const listing: ListedTicket[] = []
    for (let index = 0; index < this.names.length; index += 1) {
      const ticket = this.ticketAt(index)
      if (ticket !== undefined && ticket.isForeign !== true) listing.push(ticket)
    }
    return listing
  }

  /**
   * Lists the queue now, and returns the tickets ahead of `own` that decide its turn (core/turn.ts) and `own`, in their order. Empty
   * if `own` isn't in the queue.
   */
  listAhead(own: OwnTicket): ListedTicket[] {
    this.list()
    return this.ahead(own)
  }

  /** The same of the last listing. */
  ahead(own: OwnTicket): ListedTicket[] {
    const { names } = this
    let place = names.length - 1
    if (names[place] !== own.name) place = this.placeOf(own.name)
    if (names[place] !== own.name) return []
    let listing: ListedTicket[] = [own]
    const { claim } = own
    // A ticket whose claim does not match decides alone.
    const most = mostAhead(claim)
    for (let index = place - 1; index >= 0 && listing.length <= most; index -= 1) {
      const ticket = this.ticketAt(index)
      if (ticket === undefined || isPassedOver(claim, ticket.claim) || this.isForeign(ticket, own.request.wait))
        continue
      // Usually there is one. The first `push` would make room for 17.
      if (listing.length === 1) listing = [own, ticket]
      else listing.push(ticket)
    }
    return listing.length === 1 ? listing : listing.reverse()
  }

  /** Of the last listing: the nearest ticket behind the name that `accepts` allows. */
  nearestBehind(name: string, accepts: (ticket: ListedTicket) => boolean): ListedTicket | undefined {
    for (let index = this.placeOf(name); index < this.names.length; index += 1) {
      const ticket = this.ticketAt(index)
      if (ticket !== undefined && ticket.name !== name && accepts(ticket)) return ticket
    }
    return undefined
  }

  /** Of the last listing: the tickets behind the name, the nearest first. */
  *behind(name: string): Generator<ListedTicket, void, undefined> {
    for (let index = this.placeOf(name); index < this.names.length; index += 1) {
      const ticket = this.ticketAt(index)
      if (ticket !== undefined && ticket.name !== name) yield ticket
    }
  }

  /** Of the last listing: the name of the last ticket that isn't known to be dead; empty if there is none. */
  get lastName(): string {
    for (let index = this.names.length - 1; index >= 0; index -= 1)
      if (this.isTicketAt(index)) return this.names[index]!
    return ''
  }

  /** Whether the last listing showed a ticket behind the name `first`, up to the name `last`, that isn't known to be dead. */
  hasBetween(first: string, last: string): boolean {
    const { names } = this
    for (let index = this.placeOf(first); index < names.length && names[index]! <= last; index += 1) {
      if (names[index] !== first && this.isTicketAt(index)) return true
    }
    return false
  }

  /** Whether the last listing showed nothing behind `own`, which hasn't waited yet: dead tickets count. */
  endsWith(own: OwnTicket): boolean {
    return this.names[this.names.length - 1] === own.name || this.last()?.id === own.id
  }

  /** Whether the last listing showed nothing behind any of `own`, except these themselves: dead tickets count. */
  endsWithAll(own: readonly OwnTicket[]): boolean {
    const missing = new Set(own.map(({ name }) => name))
    for (let index = this.names.length - 1; index >= 0 && missing.size > 0; index -= 1) {
      if (missing.delete(this.names[index]!)) continue
      const ticket = this.ticketAt(index, true)
      if (ticket !== undefined && !this.isForeign(ticket)) return false
    }
    return missing.size === 0
  }

  /** Of the last listing: the last ticket, dead or alive; undefined if there is none. */
  last(): ListedTicket | undefined {
    for (let index = this.names.length - 1; index >= 0; index -= 1) {
      const ticket = this.ticketAt(index, true)
      if (ticket !== undefined && !this.isForeign(ticket)) return ticket
    }
    return undefined
  }

  /** Whether the last listing showed this name. */
  shows(name: string): boolean {
    return this.names[this.placeOf(name)] === name
  }

  /** Whether the last listing showed that this dead ticket has been reported to a holder. */
  isReported({ name }: ListedTicket): boolean {
    return this.shows(name + REPORTED)
  }

  /**
   * Whether an entry is named like a ticket but isn't a socket: then it isn't a ticket, and no listing shows it from then on. Must be
   * called before anybody waits for it, connects to it, notifies it, or yields to it. It is looked at only once, for as long as it stays.
   *
   * @param trusts treats the entry as a ticket without a look if its member is connected. A ticket that waits for such an entry looks at it once a
   *   second (wait.ts), so a file that has the name of a ticket of a live member delays the queue by a second.
   */
  isForeign(ticket: ListedTicket, trusts = false): boolean {
    if (ticket.isForeign !== undefined) return ticket.isForeign
    if (!trusts) return this.lookAt(ticket)
    if (!ticket.isTrusted) ticket.isTrusted = this.isReached(ticket)
    return ticket.isTrusted ? false : this.lookAt(ticket)
  }

  /** Looks now. See {@link QueueView.isForeign}. */
  lookAt(ticket: ListedTicket): boolean {
    ticket.isForeign = this.own.get(ticket.id)?.name !== ticket.name && this.directory.isForeign(ticket.name)
    if (ticket.isForeign) debug('%s: %s has the name of a ticket, but is not one', this.directory.path, ticket.name)
    return ticket.isForeign
  }

  /** See {@link ListedTicket.live}. */
  isLive(ticket: ListedTicket): boolean {
    return (ticket.isBusy || this.isReached(ticket)) && !this.isForeign(ticket)
  }

  /** The index of the name in the last listing, or that at which it would be. */
  private placeOf(name: string): number {
    const { names } = this
    let from = 0
    let to = names.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (names[middle]! < name) from = middle + 1
      else to = middle
    }
    return from
  }

  private isTicketAt(index: number): boolean {
    const ticket = this.ticketAt(index)
    return ticket !== undefined && !this.isForeign(ticket, true)
  }

  /** Undefined if there is no ticket, or one known to be dead. */
  private ticketAt(index: number, evenDead = false): ListedTicket | undefined {
    const name = this.names[index]!
    // It is a mark.
    if (name.charCodeAt(name.length - MARK_LENGTH) === DASH) return undefined
    const ticket = this.known.get(name) ?? this.meet(name)
    if (ticket?.claim.kind === 'exclusive' && this.names[index + 1]?.startsWith(name) === true) this.noteMark(ticket)
    if (ticket === undefined || (!evenDead && this.dead.size > 0 && this.dead.has(name))) return undefined
    return ticket
  }

  /**
   * Of the last listing: if a mark says that the holder was downgraded, its claim is shared from then on. The mark itself is looked at: because of a file that
   * a stranger has put there, no request may be granted.
   */
  private noteMark(ticket: ListedTicket): void {
    const mark = ticket.name + DOWNGRADED
    if (this.shows(mark) && this.directory.isDowngraded(ticket.name)) ticket.claim = SHARED
  }

  /** A name that hasn't been needed in this listing yet. */
  private meet(name: string): ListedTicket | undefined {
    // For a dead ticket, the object in `dead`: what is found out about it, such as a downgrade, matters to the holder that removes it.
    let ticket = this.knownBefore.get(name) ?? this.dead.get(name)
    if (ticket === undefined) {
      const parsed = parseTicketName(name)
      if (parsed === undefined) return undefined
      const own = this.own.get(parsed.id)
      ticket = own?.name === name ? own : new ListedTicket(name, parsed, this)
    }
    this.known.set(name, ticket)
    return ticket
  }
}
