/** What the steps of one queue on Windows (join.ts, turn.ts, wait.ts, leave.ts, lost.ts, tidy.ts) work on. */
import { TicketWatch } from '../members/ticket-watch.ts'
import { TicketNumbers } from '../ticket-numbers.ts'
import type { WindowsDirectory } from './directory.ts'
import { Notifier } from './notifier.ts'
import type { Presence } from './presence.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { QueueView } from './view.ts'

export class QueueState {
  readonly directory: WindowsDirectory
  readonly presence: Presence
  /** That of a named lock, which can be stolen. */
  readonly name: string | undefined
  /** Own tickets in the directory, by id. */
  readonly own: Map<string, OwnTicket> = new Map()
  readonly view: QueueView
  readonly notifier: Notifier
  readonly watch: TicketWatch = new TicketWatch()
  readonly numbers: TicketNumbers = new TicketNumbers()
  /** The last token that was given out here. */
  lastToken = 0n

  constructor(directory: WindowsDirectory, presence: Presence, name?: string) {
    this.directory = directory
    this.presence = presence
    this.name = name
    this.view = new QueueView(directory, this.own)
    this.notifier = new Notifier(this.view, this.own, () => presence.bell)
  }

  /** Whether it is a ticket of this process. */
  isOwn({ id, name }: ListedTicket): boolean {
    return this.own.get(id)?.name === name
  }

  /** Whether an own ticket has this id. */
  isUsed(id: string): boolean {
    return this.own.has(id)
  }

  /** Whatever waits here looks again. */
  wakeOwn(): void {
    for (const own of this.own.values()) own.wake()
  }
}
