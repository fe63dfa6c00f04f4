/**
 * The queue as the directory shows it: in order, without the dead, and without what is no socket.
 *
 * A listing gives names. Of those few are of any concern to one who looks: the nearest ones ahead, the next ones behind. So
 * names become tickets only where somebody looks at them (to read them all takes longer than to list them); and what a
 * name leads to, which costs as much as a listing, is looked at only before something is made of it: see
 * {@link QueueView.isForeign}.
 */
import { isPassedOver, mostAhead } from '../../core/turn.ts'
import { debug } from '../../debug.ts'
import type { QueueDirectory } from './directory.ts'
import type { OwnTicket } from './ticket.ts'
import { ListedTicket } from './ticket.ts'
import { isMarkOf, parseTicketName, REPORTED, WAITS } from './ticket-name.ts'

export class QueueView {
  /** Tickets found dead that the last listing still showed, by name. The dead stay dead. */
  readonly dead: Map<string, ListedTicket> = new Map()
  readonly #directory: QueueDirectory
  readonly #isOwn: (id: string) => boolean
  readonly #isReached: (ticket: ListedTicket) => boolean
  /** The last listing: tickets, marks right behind theirs, and whatever else is there; sorted. */
  #names: readonly string[] = []
  /** Tickets that were looked at, and that every listing since has shown, by name. One that was gone meanwhile may be anything now. */
  readonly #known = new Map<string, ListedTicket>()

  constructor(directory: QueueDirectory, isOwn: (id: string) => boolean, isReached: (ticket: ListedTicket) => boolean) {
    this.#directory = directory
    this.#isOwn = isOwn
    this.#isReached = isReached
  }

  /** Lists the queue now. */
  list(): void {
    this.#names = this.#directory.names()
    for (const name of this.#known.keys()) if (!this.shows(name)) this.#known.delete(name)
    if (this.dead.size === 0) return
    for (const name of this.dead.keys()) if (!this.shows(name)) this.dead.delete(name)
  }

  /** Lists the queue now, and gives all that is in it, but for what is known to be no ticket. */
  read(): ListedTicket[] {
    this.list()
    return this.all()
  }

  /** The same of the last listing. */
  all(): ListedTicket[] {
    const listing: ListedTicket[] = []
    for (let index = 0; index < this.#names.length; index += 1) {
      const ticket = this.#ticketAt(index)
      if (ticket !== undefined && ticket.isForeign !== true) listing.push(ticket)
    }
    return listing
  }

  /**
   * Lists the queue now, and gives `own` and, before it, those ahead that decide its turn (core/turn.ts), in their order. Nothing
   * where `own` is not in the queue.
   */
  listAhead(own: OwnTicket): ListedTicket[] {
    this.list()
    return this.ahead(own)
  }

  /** The same of the last listing. */
  ahead(own: OwnTicket): ListedTicket[] {
    const place = this.#placeOf(own.name)
    if (this.#names[place] !== own.name) return []
    const listing = [this.#ticketAt(place)!]
    // One of another family decides by itself.
    const most = mostAhead(own.claim)
    for (let index = place - 1; index >= 0 && listing.length <= most; index -= 1) {
      const ticket = this.#ticketAt(index)
      if (ticket === undefined || isPassedOver(own.claim, ticket.claim) || this.isForeign(ticket)) continue
      listing.push(ticket)
    }
    return listing.reverse()
  }

  /** Of the last listing: the tickets behind the name, the nearest one first. */
  *behind(name: string): Generator<ListedTicket, void, undefined> {
    for (let index = this.#placeOf(name); index < this.#names.length; index += 1) {
      const ticket = this.#ticketAt(index)
      if (ticket !== undefined && ticket.name !== name) yield ticket
    }
  }

  /** Of the last listing: the last ticket, dead or alive; undefined where there is none. */
  last(): ListedTicket | undefined {
    for (let index = this.#names.length - 1; index >= 0; index -= 1) {
      const ticket = this.#ticketAt(index, true)
      if (ticket !== undefined && !this.isForeign(ticket)) return ticket
    }
    return undefined
  }

  /** Whether the last listing showed this name. */
  shows(name: string): boolean {
    return this.#names[this.#placeOf(name)] === name
  }

  /** Whether the last listing showed that nobody has to be told of this dead ticket any more. */
  isReported({ name }: ListedTicket): boolean {
    return this.shows(name + REPORTED)
  }

  /**
   * Whether what has the name of a ticket is none, because it is no socket: from then on no listing shows it. To be asked
   * before one waits for it, connects to it, tells it, or yields to it. Looked at once, as long as it stays there.
   */
  isForeign(ticket: ListedTicket): boolean {
    if (ticket.isForeign === undefined) {
      ticket.isForeign = !this.#isOwn(ticket.id) && this.#directory.isForeign(ticket.name)
      if (ticket.isForeign) debug('%s: %s is no socket, and so no ticket', this.#directory.path, ticket.name)
    }
    return ticket.isForeign
  }

  /** See {@link ListedTicket.live}. */
  isLive(ticket: ListedTicket): boolean {
    return (ticket.isBusy || this.#isReached(ticket)) && !this.isForeign(ticket)
  }

  /** Where the name is in the last listing, or would be. */
  #placeOf(name: string): number {
    let from = 0
    let to = this.#names.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.#names[middle]! < name) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Undefined where there is no ticket, or one known to be dead. */
  #ticketAt(index: number, evenDead = false): ListedTicket | undefined {
    const name = this.#names[index]!
    if (name.endsWith(WAITS)) return undefined
    const ticket = this.#known.get(name) ?? this.#meet(name)
    if (ticket === undefined || (!evenDead && this.dead.has(name))) return undefined
    ticket.isMarked = this.#isMarked(index)
    return ticket
  }

  /** Its marks sort right behind a ticket: they are the same name, and longer. */
  #isMarked(index: number): boolean {
    const name = this.#names[index]!
    for (let behind = index + 1; this.#names[behind]?.startsWith(name) === true; behind += 1) {
      if (isMarkOf(name, this.#names[behind]!)) return true
    }
    return false
  }

  /** A name that nobody has looked at yet. */
  #meet(name: string): ListedTicket | undefined {
    const parsed = parseTicketName(name)
    if (parsed === undefined) return undefined
    const ticket = new ListedTicket(name, parsed, this.#isOwn(parsed.id), this)
    this.#known.set(name, ticket)
    return ticket
  }
}
