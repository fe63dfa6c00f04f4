/** What the steps of one queue (join.ts, wait.ts, leave.ts, queue.ts) work on. */
import type { QueueDirectory } from './directory.ts'
import type { Presence } from './presence.ts'
import { QueueView } from './queue-view.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { NUMBER_DIGITS } from './ticket-name.ts'

export class QueueState {
  readonly directory: QueueDirectory
  readonly presence: Presence
  readonly view: QueueView
  /** Own tickets in the directory, by id. */
  readonly own: Map<string, OwnTicket> = new Map()
  /** Own tickets that are over, but could not be taken out of the directory yet. */
  readonly stuck: Set<OwnTicket> = new Set()
  /** The highest number that was seen or given out here. */
  highestNumber: string = '0'.repeat(NUMBER_DIGITS)

  constructor(directory: QueueDirectory, presence: Presence) {
    this.directory = directory
    this.presence = presence
    this.view = new QueueView(
      directory,
      (id) => this.own.has(id),
      (ticket) => this.isReached(ticket),
    )
  }

  /** Whether there is proof right now that the owner of the ticket lives: a connection that was opened to its ticket. */
  isReached(ticket: ListedTicket): boolean {
    return this.own.has(ticket.id) || this.presence.connectionOpenedTo(ticket.member) !== undefined
  }

  /**
   * Whether `own` has reached the ticket. That another member of this process has is not enough: that one may go before `own` does,
   * and who is told is the member of a ticket.
   */
  hasReached({ member }: OwnTicket, ticket: ListedTicket): boolean {
    return this.own.has(ticket.id) || member.connectionOpenedTo(ticket.member) !== undefined
  }

  /** Whether the owner of the ticket knows of `own`: what it does next about the queue, it will tell. */
  isKnownTo({ member }: OwnTicket, ticket: ListedTicket): boolean {
    return this.own.has(ticket.id) || member.connectionOpenedTo(ticket.member)?.isAnswered === true
  }

  /** Whatever waits here looks again. */
  wakeOwn(): void {
    for (const own of this.own.values()) own.wake()
  }
}
