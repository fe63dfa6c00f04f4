/** The queue as the directory shows it: in order, without tickets of dead processes, and without tickets that are about to vanish. */
import { isPassedOver, mostAhead } from '../../../core/turn.ts'
import { monotonicNowMs } from '../../../real-time.ts'
import { DOWNGRADED, parseTicketName } from '../ticket-name.ts'
import type { WindowsDirectory } from './directory.ts'
import type { Found } from './held-file.ts'
import type { OwnTicket } from './ticket.ts'
import { ListedTicket } from './ticket.ts'

/**
 * How long nobody must have a ticket open before it counts as dead, in ms. A ticket that was just closed stays for as long as another process
 * looks at its size or times (Wine 8), or not at all.
 */
const DEAD_AFTER_MS = 100

export class QueueView {
  /** Tickets found dead that the last listing still showed, by name. Only a machine that has lost its power leaves them. */
  readonly dead: Map<string, ListedTicket> = new Map()
  readonly #directory: WindowsDirectory
  readonly #own: ReadonlyMap<string, OwnTicket>
  /** All of the last listing: tickets, their marks, and guards, in order. */
  #names: readonly string[] = []
  /** The tickets of the last listing, by name, in their order. */
  #tickets = new Map<string, ListedTicket>()
  /** Names that are still shown though their owners have closed the files. */
  readonly #vanishing = new Set<string>()

  /** @param own the tickets of this process in the queue, by id. */
  constructor(directory: WindowsDirectory, own: ReadonlyMap<string, OwnTicket>) {
    this.#directory = directory
    this.#own = own
  }

  /** All names that the last listing showed. */
  get names(): readonly string[] {
    return this.#names
  }

  /** Lists the queue now. */
  list(): void {
    this.#names = this.#directory.names()
    const before = this.#tickets
    this.#tickets = new Map()
    for (const name of this.#names) {
      const ticket = before.get(name) ?? this.#meet(name)
      if (ticket !== undefined) this.#tickets.set(name, ticket)
    }
    const marks = new Set(this.#names.filter((name) => name.endsWith(DOWNGRADED)))
    for (const ticket of this.#tickets.values()) ticket.isDowngraded = marks.has(ticket.name + DOWNGRADED)
    for (const name of this.dead.keys()) if (!this.#tickets.has(name)) this.dead.delete(name)
    for (const name of this.#vanishing) if (!this.#tickets.has(name)) this.#vanishing.delete(name)
  }

  /** The tickets of the last listing, but for those of processes that tidy. */
  all(): ListedTicket[] {
    return this.allWithTidying().filter(({ tidies }) => !tidies)
  }

  /** The tickets of the last listing. */
  allWithTidying(): ListedTicket[] {
    return [...this.#tickets.values()].filter(({ name }) => !this.dead.has(name) && !this.#vanishing.has(name))
  }

  /**
   * Of the last listing: the tickets ahead of `own` that decide its turn (core/turn.ts) and `own`, in their order. Empty if `own` isn't in the
   * queue.
   */
  ahead(own: OwnTicket): ListedTicket[] {
    const all = this.all()
    const place = all.indexOf(own)
    if (place === -1) return []
    const { claim } = own
    const tidying = this.allWithTidying().find((ticket) => ticket.tidies && ticket.name < own.name)
    if (tidying !== undefined) return [tidying.asBlockerOf(claim), own]
    const listing: ListedTicket[] = [own]
    // A ticket of another family decides alone.
    const most = mostAhead(claim)
    for (let index = place - 1; index >= 0 && listing.length <= most; index -= 1) {
      if (!isPassedOver(claim, all[index]!.claim)) listing.push(all[index]!)
    }
    return listing.reverse()
  }

  /** Of the last listing: the tickets behind the name, the nearest first. */
  behind(name: string): ListedTicket[] {
    return this.all().filter((ticket) => ticket.name > name)
  }

  /** Whether the last listing showed nothing behind any of `own`, but for these themselves: dead tickets count. */
  endsWith(own: readonly OwnTicket[]): boolean {
    const first = own.reduce((least, { name }) => (name < least ? name : least), own[0]?.name ?? '')
    for (const name of this.#tickets.keys()) {
      if (name > first && !this.#vanishing.has(name) && !own.some((ticket) => ticket.name === name)) return false
    }
    return own.every(({ name }) => this.#tickets.has(name))
  }

  /** The last ticket of the last listing, dead or alive. Undefined if there is none. */
  last(): ListedTicket | undefined {
    return [...this.#tickets.values()].at(-1)
  }

  /** Looks whether somebody has the ticket open. What is dead or vanishing is not listed from then on. */
  lookAt(ticket: ListedTicket): Found {
    const found = this.#directory.probe(ticket.name)
    switch (found) {
      case 'open':
        ticket.isOpen = true
        ticket.closedSinceMs = undefined
        break
      case 'closed':
        ticket.closedSinceMs ??= monotonicNowMs()
        if (monotonicNowMs() - ticket.closedSinceMs > DEAD_AFTER_MS) this.dead.set(ticket.name, ticket)
        break
      case 'vanishing':
        this.#vanishing.add(ticket.name)
        break
      case 'gone':
        break
    }
    return found
  }

  #meet(name: string): ListedTicket | undefined {
    const parsed = parseTicketName(name)
    if (parsed === undefined) return undefined
    const own = this.#own.get(parsed.id)
    return own?.name === name ? own : new ListedTicket(name, parsed)
  }
}
