/**
 * The queue as the directory shows it: names read, parsed, in order, without the dead.
 *
 * A ticket may show by two names for a moment, while it is being marked (see QueueDirectory.relink): it is still one.
 */
import type { QueueDirectory } from './directory.ts'
import { ListedTicket } from './ticket.ts'
import { parseTicketName } from './ticket-name.ts'

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

  /** How many names the last listing showed. */
  get size(): number {
    return this.#known.size
  }

  /** What the last listing showed. */
  tickets(): ListedTicket[] {
    return [...this.#known.values()]
  }

  /** Lists the queue now. */
  read(): ListedTicket[] {
    const known = new Map<string, ListedTicket>()
    const listing: ListedTicket[] = []
    this.last = undefined
    for (const name of this.#directory.names()) {
      const ticket = this.#known.get(name) ?? this.#parse(name)
      if (ticket === undefined) continue
      known.set(name, ticket)
      if (listing.at(-1)?.id === ticket.id) listing.pop()
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
