/**
 * The queue as the directory shows it: names read, parsed, in order, without the dead, and without what is no socket.
 *
 * Looking at what a name leads to costs as much as listing it, and nearly all that stand in a queue are of no concern
 * to one who looks. So it is looked at only before something is made of it: see {@link QueueView.isForeign}.
 */
import { debug } from '../../debug.ts'
import type { QueueDirectory } from './directory.ts'
import { ListedTicket } from './ticket.ts'
import { isMarkOf, parseTicketName } from './ticket-name.ts'

/** How many names that are gone are kept, beside as many as there are, before they are cleared away. */
const MOST_GONE = 64

export class QueueView {
  /** Tickets found dead that the last listing still showed, by name. The dead stay dead. */
  readonly dead: Map<string, ListedTicket> = new Map()
  /** The last ticket of the last listing, dead or alive. */
  last: ListedTicket | undefined
  readonly #directory: QueueDirectory
  readonly #isOwn: (id: string) => boolean
  readonly #isReached: (ticket: ListedTicket) => boolean
  /** Tickets that listings have shown, by name; among them some that are gone. */
  readonly #known = new Map<string, ListedTicket>()
  /** How often it was listed. A ticket is there if the last listing has seen it. */
  #listings = 0
  /** Whether the last listing showed what is no ticket. Where there is one there may be thousands: then all are looked at, each once. */
  #hasForeign = false

  constructor(directory: QueueDirectory, isOwn: (id: string) => boolean, isReached: (ticket: ListedTicket) => boolean) {
    this.#directory = directory
    this.#isOwn = isOwn
    this.#isReached = isReached
  }

  /** Lists the queue now. */
  read(): ListedTicket[] {
    const names = this.#directory.names()
    const listing: ListedTicket[] = []
    let last: ListedTicket | undefined
    const looksAtAll = this.#hasForeign
    this.#hasForeign = false
    this.#listings += 1
    for (const name of names) {
      // A mark sorts right behind its ticket, but for what is not of a lock: it is the same name, and longer.
      if (last !== undefined && isMarkOf(last.name, name)) {
        last.isMarked = true
        continue
      }
      const ticket = this.#recall(name) ?? this.#meet(name)
      if (ticket === undefined) continue
      ticket.seenIn = this.#listings
      if (looksAtAll ? this.isForeign(ticket) : ticket.isForeign === true) {
        this.#hasForeign = true
        continue
      }
      ticket.isMarked = false
      last = ticket
      if (this.dead.size === 0 || !this.dead.has(name)) listing.push(ticket)
    }
    this.last = last
    if (this.dead.size > 0) this.#forgetRemoved()
    if (this.#known.size > 2 * names.length + MOST_GONE) this.#forgetGone()
    return listing
  }

  /** Whether the last listing showed a ticket of this name, dead or alive. */
  shows(name: string): boolean {
    return this.#known.get(name)?.seenIn === this.#listings
  }

  /** Whether nobody stood behind `own` at the last listing, dead or alive. */
  isLast(own: string): boolean {
    while (this.last !== undefined && this.last.id !== own && this.isForeign(this.last)) this.read()
    return this.last?.id === own
  }

  /**
   * Whether what has the name of a ticket is none, because it is no socket: from then on no listing shows it. To be asked
   * before one waits for it, connects to it, tells it, or yields to it. Looked at once, as long as it stays there.
   */
  isForeign(ticket: ListedTicket): boolean {
    if (ticket.isForeign === undefined) {
      ticket.isForeign = !this.#isOwn(ticket.id) && this.#directory.isForeign(ticket.name)
      if (ticket.isForeign) {
        this.#hasForeign = true
        debug('%s: %s is no socket, and so no ticket', this.#directory.path, ticket.name)
      }
    }
    return ticket.isForeign
  }

  /** What the listing before showed by this name. One that was gone meanwhile is met anew: it may be anything now. */
  #recall(name: string): ListedTicket | undefined {
    const ticket = this.#known.get(name)
    return ticket?.seenIn === this.#listings - 1 ? ticket : undefined
  }

  /** A name that was not there before. */
  #meet(name: string): ListedTicket | undefined {
    const parsed = parseTicketName(name)
    if (parsed === undefined) return undefined
    const ticket = new ListedTicket(name, parsed, this.#isOwn(parsed.id), this)
    this.#known.set(name, ticket)
    return ticket
  }

  /** See {@link ListedTicket.live}. */
  isLive(ticket: ListedTicket): boolean {
    return (ticket.isBusy || this.#isReached(ticket)) && !this.isForeign(ticket)
  }

  #forgetRemoved(): void {
    for (const name of this.dead.keys()) if (!this.shows(name)) this.dead.delete(name)
  }

  #forgetGone(): void {
    for (const [name, ticket] of this.#known) {
      if (ticket.seenIn !== this.#listings) this.#known.delete(name)
    }
  }
}
