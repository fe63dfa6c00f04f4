/**
 * The queue as the directory shows it: names read, parsed, in order, without the dead.
 */
import type { QueueDirectory } from './directory.ts'
import { ListedTicket } from './ticket.ts'
import { markOf, parseTicketName } from './ticket-name.ts'

export class QueueView {
  /** Tickets found dead that the last listing still showed, by id. The dead stay dead. */
  readonly dead: Map<string, ListedTicket> = new Map()
  /** The last ticket of the last listing, dead or alive. */
  last: ListedTicket | undefined
  readonly #directory: QueueDirectory
  readonly #isOwn: (id: string) => boolean
  readonly #isReached: (ticket: ListedTicket) => boolean
  /** What the last listing showed, by name: saves parsing again. */
  #known = new Map<string, ListedTicket>()

  constructor(directory: QueueDirectory, isOwn: (id: string) => boolean, isReached: (ticket: ListedTicket) => boolean) {
    this.#directory = directory
    this.#isOwn = isOwn
    this.#isReached = isReached
  }

  /** Lists the queue now. */
  read(): ListedTicket[] {
    const known = new Map<string, ListedTicket>()
    const listing: ListedTicket[] = []
    this.last = undefined
    const names = this.#directory.names()
    for (const [index, name] of names.entries()) {
      const ticket = this.#known.get(name) ?? this.#parse(name)
      if (ticket === undefined) continue
      // A mark sorts right behind its ticket: it is the same name, and longer.
      ticket.isMarked = names[index + 1] === markOf(name)
      known.set(name, ticket)
      this.last = ticket
      if (!this.dead.has(ticket.id)) listing.push(ticket)
    }
    this.#known = known
    if (this.dead.size > 0) this.#forgetRemoved()
    return listing
  }

  #parse(name: string): ListedTicket | undefined {
    const parsed = parseTicketName(name)
    return parsed === undefined ? undefined : new ListedTicket(name, parsed, this.#isOwn(parsed.id), this.#isReached)
  }

  #forgetRemoved(): void {
    for (const [id, ticket] of this.dead) if (!this.#known.has(ticket.name)) this.dead.delete(id)
  }
}
