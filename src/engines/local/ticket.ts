/** Tickets of this engine: its own, and the tickets of a listing. */
import type { Cancellation } from '../../requests/cancellation.ts'
import type { EnqueueRequest } from '../../requests/ticket-queue.ts'
import type { Claim } from '../../core/claim.ts'
import type { Ticket } from '../../core/ticket.ts'
import type { Listener } from './members/listener.ts'
import type { Member } from './members/member.ts'
import { ageMs } from './platform/kernel.ts'
import { addSleeper, removeSleeper } from './sleepers.ts'
import { formatTicketName } from './ticket-name.ts'
import type { TicketName } from './ticket-name.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** Joining takes microseconds: a ticket that has not withdrawn after this long, in ms, has joined, or its process was stopped in the middle. */
const JOINING_MS = 10

/** Knows whether there is proof right now that a ticket's member is alive. */
export interface TicketWitness {
  isLive(ticket: ListedTicket): boolean
}

/** A ticket that a listing shows. */
export class ListedTicket implements Ticket {
  readonly name: string
  readonly id: string
  readonly number: string
  /** What it asked for. Becomes shared once a listing has shown the mark of a downgrade beside it, and stays so. */
  claim: Claim
  readonly pid: number
  readonly member: string
  readonly kernel: string
  /** Whether it isn't a ticket, but something else with that name. Undefined if it hasn't been looked at yet. */
  isForeign: boolean | undefined
  /** Whether its member was connected when it was first seen: then it counts as a ticket, until it is looked at. */
  isTrusted = false
  /** Whether a holder of this process has been notified that it is dead. */
  isReported = false
  /** Whether its backlog was full at the last connect: it listens, so it lives. */
  isBusy = false
  private readonly witness: TicketWitness

  constructor(name: string, parsed: TicketName, witness: TicketWitness) {
    this.name = name
    this.id = parsed.id
    this.number = parsed.number
    this.claim = parsed.claim
    this.pid = parsed.pid
    this.member = parsed.member
    this.kernel = parsed.kernel
    this.witness = witness
  }

  get live(): boolean {
    return this.witness.isLive(this)
  }

  get joining(): boolean {
    // A number may be ahead of the clock, but not by much, except by malice.
    return Math.abs(ageMs(this.number)) < JOINING_MS
  }
}

const OWN: TicketWitness = { isLive: () => true }

/** A ticket of this process. */
export class OwnTicket extends ListedTicket {
  readonly listener: Listener | undefined
  /** The member whose socket it leads to. */
  readonly owner: Member
  readonly request: EnqueueRequest
  /** Whether it holds or has held, and wasn't stolen. */
  isHeld = false
  isOver = false
  /** Whether it should have the mark that makes its claim a shared one. Its claim says whether it has the mark. */
  isDowngraded = false
  /** Whether a wake-up came since the last listing was made for it. */
  isWoken = false
  /** The queue that it belongs to. */
  home: object | undefined
  /** The listing by which it joined, until that is read. */
  joinListing: readonly ListedTicket[] | undefined
  /** If locks can be stolen: whether its marks say that it holds, and that others wait by it; whether its lock was stolen, and it was not notified yet. */
  isHolder = false
  hasWaiters = false
  isStolen = false
  /** Why it could not be removed from the queue. */
  stuckBy: unknown
  /** How many times it has looked by itself since all tickets waited for knew of it. */
  unknownLooks = 0
  private reaches: Map<string, number> | undefined
  private endSleep: (() => void) | undefined

  /** @param listener a socket of its own, if the file system has no hard links. */
  constructor(parsed: TicketName, owner: Member, request: EnqueueRequest, listener?: Listener) {
    super(formatTicketName(parsed), parsed, OWN)
    this.isForeign = false
    this.owner = owner
    this.request = request
    this.listener = listener
  }

  override get joining(): boolean {
    return false
  }

  /** A wake-up is a hint: list again. If the ticket isn't asleep, the wake-up is remembered. */
  wake(): void {
    this.isWoken = true
    this.endSleep?.()
  }

  /** Sleeps until woken, until cancelled, or for `ms`. Keeps the process alive. */
  sleep(ms: number, cancellation: Cancellation): void | Promise<void> {
    if (this.isWoken || cancellation.cancelled) return undefined
    return new Promise((resolve) => {
      this.startSleep(
        resolve,
        cancellation,
        setTimeout(() => this.endSleep?.(), ms),
      )
    })
  }

  /** Sleeps until woken or cancelled. Keeps the process alive. `look` is called once a second. */
  sleepUntilWoken(look: () => void, cancellation: Cancellation): void | Promise<void> {
    if (this.isWoken || cancellation.cancelled) return undefined
    return new Promise((resolve) => {
      addSleeper(this, look)
      this.startSleep(resolve, cancellation)
    })
  }

  private startSleep(resolve: () => void, cancellation: Cancellation, timer?: NodeJS.Timeout): void {
    const end = (): void => {
      this.endSleep = undefined
      cancellation.stopListening(end)
      if (timer === undefined) removeSleeper(this)
      else clearTimeout(timer)
      resolve()
    }
    this.endSleep = end
    cancellation.listen(end)
  }

  /** Counts how many times another ticket was connected to because of this one, including this time. */
  countReach(id: string): number {
    const times = this.reachesOf(id) + 1
    this.reaches ??= new Map()
    this.reaches.set(id, times)
    return times
  }

  /** How many times another ticket was connected to because of this one. */
  reachesOf(id: string): number {
    return this.reaches?.get(id) ?? 0
  }

  /** Must be called when all tickets waited for know of it. */
  becomeKnown(): void {
    this.unknownLooks = 0
    this.reaches = undefined
  }
}

/** Groups are in the order of their first tickets. */
export function groupByMember(tickets: readonly ListedTicket[]): (readonly ListedTicket[])[] {
  const groups = new Map<string, ListedTicket[]>()
  for (const ticket of tickets) {
    const group = groups.get(ticket.member)
    if (group === undefined) groups.set(ticket.member, [ticket])
    else group.push(ticket)
  }
  return [...groups.values()]
}
