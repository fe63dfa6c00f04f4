/** Tickets as this engine knows them: its own, and those that a listing shows. */
import type { Cancellation } from '../../requests/cancellation.ts'
import type { EnqueueRequest } from '../../requests/ticket-queue.ts'
import type { Claim } from '../../core/claim.ts'
import type { Ticket, TicketIdentity } from '../../core/ticket.ts'
import type { Listener, Member } from './member.ts'
import { ageMs } from './kernel.ts'
import type { TicketName } from './ticket-name.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'

/** Joining takes microseconds; who has not withdrawn after this long either holds or has been stopped in the middle. */
const JOINING_MS = 10

/** Knows whether there is proof right now that a ticket's member lives. */
export interface TicketWitness {
  isLive(ticket: ListedTicket): boolean
}

/** A ticket that a listing shows. */
export class ListedTicket implements Ticket {
  readonly name: string
  readonly id: string
  readonly number: string
  readonly claim: Claim
  readonly pid: number
  readonly member: string
  readonly kernel: string
  /** As the last listing showed it that was looked at there. */
  isMarked = false
  /** Whether it is no ticket, but something else of that name; undefined where nobody has looked yet. */
  isForeign: boolean | undefined
  /** Whether a holder of this process has been told that it is dead. */
  isReported = false
  /** Its backlog was full when it was last connected to: it listens, and so it lives. */
  isBusy = false
  readonly #witness: TicketWitness
  readonly #isOwn: boolean

  constructor(name: string, parsed: TicketName, isOwn: boolean, witness: TicketWitness) {
    this.name = name
    this.id = parsed.id
    this.number = parsed.number
    this.claim = parsed.claim
    this.pid = parsed.pid
    this.member = parsed.member
    this.kernel = parsed.kernel
    this.#isOwn = isOwn
    this.#witness = witness
  }

  get live(): boolean {
    return this.#witness.isLive(this)
  }

  get joining(): boolean {
    // A number may lie ahead of the clock, but not by much unless by malice.
    return !this.#isOwn && !this.isMarked && Math.abs(ageMs(this.number)) < JOINING_MS
  }
}

/** A ticket of this process. */
export class OwnTicket implements TicketIdentity {
  readonly id: string
  readonly number: string
  readonly claim: Claim
  readonly member: Member
  readonly request: EnqueueRequest
  readonly name: string
  isMarked = false
  isHeld = false
  /** Of which queue it is. */
  home: object | undefined
  /** Where locks can be stolen: whether its marks say that it holds, and that others wait by it; whether it was robbed, and was not told yet. */
  isHolder = false
  isCrowded = false
  isRobbed = false
  isOver = false
  /** The listing that it joined by, until somebody has read it. */
  joinListing: readonly ListedTicket[] | undefined
  /** Why it could not be taken out of the queue. */
  stuckBy: unknown
  /** A socket of its own, where the file system has no hard links. */
  listener: Listener | undefined
  /** How often it has looked by itself since everybody waited for knew of it. */
  unknownLooks = 0
  readonly #reaches = new Map<string, number>()
  /** Whether a wake-up came since the last listing was made for it. */
  isWoken = false
  #wakeSleeper: (() => void) | undefined

  constructor(name: string, parsed: TicketName, member: Member, request: EnqueueRequest) {
    this.name = name
    this.id = parsed.id
    this.number = parsed.number
    this.claim = parsed.claim
    this.member = member
    this.request = request
  }

  /** A wake-up is a hint: list again. One that comes while nobody sleeps is remembered. */
  wake(): void {
    this.isWoken = true
    this.#wakeSleeper?.()
  }

  /** Sleeps until woken, until cancelled, or for `ms`. Keeps the process alive. */
  sleep(ms: number, cancellation: Cancellation): void | Promise<void> {
    if (this.isWoken || cancellation.cancelled) return undefined
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        cancellation.stopListening(done)
        this.#wakeSleeper = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#wakeSleeper = done
      cancellation.listen(done)
    })
  }

  /** Counts how often another ticket was connected to on account of this one, this time included. */
  countReach(id: string): number {
    const times = this.reachesOf(id) + 1
    this.#reaches.set(id, times)
    return times
  }

  /** How often another ticket was connected to because of this one. */
  reachesOf(id: string): number {
    return this.#reaches.get(id) ?? 0
  }

  /** Everybody waited for knows of it. */
  becomeKnown(): void {
    this.unknownLooks = 0
    this.#reaches.clear()
  }
}

/** In the order of the first of each. */
export function groupByMember(tickets: readonly ListedTicket[]): (readonly ListedTicket[])[] {
  const groups = new Map<string, ListedTicket[]>()
  for (const ticket of tickets) {
    const group = groups.get(ticket.member)
    if (group === undefined) groups.set(ticket.member, [ticket])
    else group.push(ticket)
  }
  return [...groups.values()]
}
