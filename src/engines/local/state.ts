/** The state of one queue, which its steps (join.ts, wait.ts, leave.ts, queue.ts) share. */
import type { Stealing } from '../../requests/ticket-queue.ts'
import type { QueueDirectory } from './directory.ts'
import type { Claim } from '../../core/claim.ts'
import type { Address, Member } from './members/member.ts'
import type { Presence } from './members/presence.ts'
import { addressOfTicket } from './members/ticket-address.ts'
import { QueueView } from './view.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { TicketNumbers } from './ticket-numbers.ts'

/** What the steps of a queue call if its locks can be stolen. */
export interface LocalStealing extends Stealing<OwnTicket> {
  /** A ticket is about to leave the queue. */
  clearHolderMarks(own: OwnTicket): void
  /** Steals the lock from all its holders, for a ticket that is in front. */
  steal(thief: OwnTicket): void | Promise<void>
  /** Notifies the former holders of a ticket from which the lock was stolen. */
  notifyStolen(own: OwnTicket): void
}

/** A ticket of this process that has left, or whose holder was downgraded and now shares. */
export class Departed {
  readonly kind: 'left' | 'downgraded'
  readonly name: string
  readonly claim: Claim
  /** The member whose socket it led to. */
  readonly owner: Member
  /** Whether it had held. */
  readonly hasHeld: boolean
  /** The last ticket behind it that a listing showed after it had left. */
  lastBehind = ''
  /** Whether it is connecting to a process that it notifies. */
  isPursuing = false

  constructor(
    { name, claim, owner, isHeld }: Pick<OwnTicket, 'name' | 'claim' | 'owner' | 'isHeld'>,
    kind: Departed['kind'] = 'left',
  ) {
    this.kind = kind
    this.name = name
    this.claim = claim
    this.owner = owner
    this.hasHeld = isHeld
  }
}

/** The queues of one presence that remember tickets that have left. */
export class QueuesLeft extends Set<QueueState> {
  /** How many there may be before it is checked in which of them no ticket stands behind any more. */
  most = 0
}

export class QueueState {
  readonly directory: QueueDirectory
  readonly presence: Presence
  readonly view: QueueView
  /** Own tickets in the directory, by id. */
  readonly own: Map<string, OwnTicket>
  /** Own tickets that are over, but could not be removed from the directory yet. */
  readonly stuck: Set<OwnTicket> = new Set()
  /** The tickets that have left, as long as a ticket that stood behind them then still stands there. */
  departed: Departed[] = []
  readonly left: QueuesLeft
  /** How many tickets have left without having held, and have yet to connect to a process that they notify. */
  pursuits = 0
  readonly numbers: TicketNumbers = new TicketNumbers()

  /** Shows thieves who holds. Undefined if locks can't be stolen. */
  stealing: LocalStealing | undefined

  constructor(
    directory: QueueDirectory,
    presence: Presence,
    own: Map<string, OwnTicket> = new Map(),
    left: QueuesLeft = new QueuesLeft(),
  ) {
    this.own = own
    this.left = left
    this.directory = directory
    this.presence = presence
    this.view = new QueueView(directory, own, (ticket) => this.isReached(ticket))
  }

  /** Whether there is proof right now that the owner of the ticket is alive: a connection that was opened to its ticket. */
  isReached(ticket: ListedTicket): boolean {
    return this.isOwn(ticket) || this.presence.members.connectionOpenedTo(ticket.member) !== undefined
  }

  /** Whether it is a ticket of this process. Its id alone isn't enough, since any process can make another name with the same id. */
  isOwn({ id, name }: ListedTicket): boolean {
    return this.own.get(id)?.name === name
  }

  /** Whether an own ticket has this id, in this queue or another one of the same member. */
  isUsed(id: string): boolean {
    return this.own.has(id)
  }

  /** Must be called when a ticket was found dead. */
  onDead(_ticket: ListedTicket): void {}

  /** The address at which to connect to the owner of a ticket. */
  addressOf(ticket: ListedTicket): Address {
    return { open: () => this.presence.addressOf(addressOfTicket(this.directory, ticket).name), close: () => {} }
  }

  /** Makes everything that waits here look again. */
  wakeOwn(): void {
    for (const own of this.own.values()) own.wake()
  }
}
