/**
 * The queue as the directory shows it: names read, parsed, in order, without the dead, and without what is no socket.
 */
import { debug } from '../../debug.ts'
import type { QueueDirectory } from './directory.ts'
import { ListedTicket } from './ticket.ts'
import { markOf, parseTicketName } from './ticket-name.ts'

export class QueueView {
  /** Tickets found dead that the last listing still showed, by name. The dead stay dead. */
  readonly dead: Map<string, ListedTicket> = new Map()
  /** The last ticket of the last listing, dead or alive. */
  last: ListedTicket | undefined
  readonly #directory: QueueDirectory
  readonly #isOwn: (id: string) => boolean
  readonly #isReached: (ticket: ListedTicket) => boolean
  /** What the last listing showed, by name: saves looking again. Undefined: no ticket. */
  #known = new Map<string, ListedTicket | undefined>()

  constructor(directory: QueueDirectory, isOwn: (id: string) => boolean, isReached: (ticket: ListedTicket) => boolean) {
    this.#directory = directory
    this.#isOwn = isOwn
    this.#isReached = isReached
  }

  /** Lists the queue now. */
  read(): ListedTicket[] {
    const known = new Map<string, ListedTicket | undefined>()
    const listing: ListedTicket[] = []
    this.last = undefined
    const names = this.#directory.names()
    for (const [index, name] of names.entries()) {
      const ticket = this.#known.has(name) ? this.#known.get(name) : this.#meet(name)
      known.set(name, ticket)
      if (ticket === undefined) continue
      ticket.isMarked = isMarked(names, index)
      this.last = ticket
      if (!this.dead.has(name)) listing.push(ticket)
    }
    this.#known = known
    if (this.dead.size > 0) this.#forgetRemoved()
    return listing
  }

  /** Whether the last listing showed a ticket of this name, dead or alive. */
  shows(name: string): boolean {
    return this.#known.get(name) !== undefined
  }

  /** A name that was not there before. It is never that of anything else later: names are not used twice. */
  #meet(name: string): ListedTicket | undefined {
    const parsed = parseTicketName(name)
    if (parsed === undefined) return undefined
    const isOwn = this.#isOwn(parsed.id)
    if (!isOwn && this.#directory.isForeign(name)) {
      debug('%s: %s is no socket, and so no ticket', this.#directory.path, name)
      return undefined
    }
    return new ListedTicket(name, parsed, isOwn, this.#isReached)
  }

  #forgetRemoved(): void {
    for (const name of this.dead.keys()) if (!this.#known.has(name)) this.dead.delete(name)
  }
}

/** A mark sorts right behind its ticket: it is the same name, and longer. Between the two there may be what is not of a lock. */
function isMarked(names: readonly string[], index: number): boolean {
  const name = names[index]!
  const mark = markOf(name)
  for (let next = index + 1; names[next]?.startsWith(name) === true; next += 1) if (names[next] === mark) return true
  return false
}
