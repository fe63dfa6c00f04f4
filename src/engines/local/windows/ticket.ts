/** Tickets on Windows: the tickets of this process, and the tickets that a listing shows. */
import type { Cancellation } from '../../../requests/cancellation.ts'
import type { EnqueueRequest } from '../../../requests/ticket-queue.ts'
import type { Claim } from '../../../core/claim.ts'
import { EXCLUSIVE, isSameClaim, permitClaim, SHARED } from '../../../core/claim.ts'
import type { Ticket } from '../../../core/ticket.ts'
import { ageMs } from '../platform/kernel.ts'
import { addSleeper, removeSleeper } from '../sleepers.ts'
import type { TicketName } from '../ticket-name.ts'
import { setTimeout, clearTimeout, monotonicNowMs } from '../../../real-time.ts'
import type { Hold } from './hold.ts'

/** A ticket that has not withdrawn after this long either holds or has been stopped in the middle. A scanner may look at each new file. */
const JOINING_MS = 30
/** For how long a guard may be open elsewhere, or a process may tidy, though no request is ahead, before a request that never waits gives up, in ms. */
const BARRIER_MS = 250

/**
 * The bits in the name of a ticket, at the place where Linux has the kernel.
 *
 *  - MADE_HERE: its owner knows that slocket made the lock's directory. A process that comes while the guard is busy, or about to be removed, reads it here.
 *  - TIDIES: it isn't a request, but stands there while its owner removes what nobody needs. Tickets behind it wait, whatever their claims.
 */
const MADE_HERE = 1
const TIDIES = 2

/** The last part of a ticket's name. */
export function formatFlags({
  isMadeHere,
  tidies,
}: {
  readonly isMadeHere: boolean
  readonly tidies: boolean
}): string {
  return String((isMadeHere ? MADE_HERE : 0) + (tidies ? TIDIES : 0)).padStart(8, '0')
}

/** A ticket that a listing shows. */
export class ListedTicket implements Ticket {
  readonly name: string
  readonly id: string
  readonly number: string
  readonly pid: number
  readonly member: string
  /** Whether its owner knows that slocket made the lock's directory. */
  readonly knowsMadeHere: boolean
  /** Whether it stands there to tidy. Then its claim says nothing. */
  readonly tidies: boolean
  /** Whether somebody was seen to have it open. A ticket that is listed, and was open once, is open still, or closed at this moment. */
  isOpen = false
  /** Whether its holder was downgraded, and shares, as the last listing showed. */
  isDowngraded = false
  /** When it was first found closed, by the monotonic clock, in ms. */
  closedSinceMs: number | undefined

  readonly #parsed: TicketName
  #metMs: number = monotonicNowMs()
  #withClaim: ListedTicket | undefined

  constructor(name: string, parsed: TicketName) {
    const { id, number, pid, member, kernel } = parsed
    this.#parsed = parsed
    this.name = name
    this.id = id
    this.number = number
    this.pid = pid
    this.member = member
    const flags = Number(kernel)
    this.knowsMadeHere = (flags & MADE_HERE) !== 0
    this.tidies = (flags & TIDIES) !== 0
  }

  get claim(): Claim {
    return this.isDowngraded ? SHARED : this.#parsed.claim
  }

  /** As a ticket that keeps a ticket with this claim from its turn. */
  asBlockerOf(claim: Claim): ListedTicket {
    const blocking = blockerOf(claim)
    const known = this.#withClaim
    if (known !== undefined && isSameClaim(known.claim, blocking)) return known
    const blocker = new ListedTicket(this.name, { ...this.#parsed, claim: blocking })
    // Requests with different claims take turns here, and what one of them has seen counts for all.
    blocker.isOpen = known?.isOpen ?? this.isOpen
    blocker.#metMs = this.#metMs
    this.#withClaim = blocker
    return blocker
  }

  get live(): boolean {
    return this.isOpen
  }

  get joining(): boolean {
    if (this.tidies) return monotonicNowMs() - this.#metMs < BARRIER_MS
    // A number may lie ahead of the clock, but not by much unless by malice.
    return Math.abs(ageMs(this.number)) < JOINING_MS
  }
}

/** The claim of what leaves no room for a request with `claim`, and matches it. */
function blockerOf(claim: Claim): Claim {
  return claim.kind === 'permit' ? permitClaim(claim.permits, claim.permits) : EXCLUSIVE
}

/** A ticket that this process has put into the directory. */
export interface MadeTicket {
  readonly name: string
  readonly parsed: TicketName
  /** What keeps it there. */
  readonly descriptor: number
}

/** A ticket of this process, and the request that stands in the queue by it. */
export class OwnTicket extends ListedTicket {
  readonly request: EnqueueRequest
  /** What keeps it in the directory. */
  readonly descriptor: number
  /** Open while it has its turn. */
  hold: Hold | undefined
  isHeld = false
  isOver = false
  /** What keeps its mark in the directory, once its holder was downgraded. */
  mark: number | undefined
  /** Whether its holder is to be downgraded, and could not be yet. */
  mustShare = false
  /** Whether its file was closed here. */
  isClosed = false
  /** The listing that it joined by, until somebody has read it. */
  joinListing: readonly Ticket[] | undefined
  /** What stands for a guard that is open elsewhere, while that is so. */
  barrier: GuardBarrier | undefined
  /** Since when a guard can't be opened though it isn't open elsewhere, by the monotonic clock, in ms. */
  deniedSinceMs: number | undefined
  /** Whether a wake-up came since the last listing was made for it. */
  private isWoken = false
  /** How often it has looked by itself since everybody waited for knew of it. */
  private looks = 0
  private endSleep: (() => void) | undefined

  constructor({ name, parsed, descriptor }: MadeTicket, request: EnqueueRequest) {
    super(name, parsed)
    this.descriptor = descriptor
    this.request = request
    this.isOpen = true
  }

  override get joining(): boolean {
    return false
  }

  /** A listing is about to be made for it. */
  startLook(): void {
    this.isWoken = false
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
      const timer = setTimeout(() => this.endSleep?.(), ms)
      this.startSleep(cancellation, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Sleeps until woken or cancelled. Keeps the process alive. `look` is called once a second. */
  sleepUntilWoken(look: () => void, cancellation: Cancellation): void | Promise<void> {
    this.looks = 0
    if (this.isWoken || cancellation.cancelled) return undefined
    return new Promise((resolve) => {
      addSleeper(this, look)
      this.startSleep(cancellation, () => {
        removeSleeper(this)
        resolve()
      })
    })
  }

  /** How soon to look again, in ms: doubles from 1 ms up to `mostMs`. */
  nextLookMs(mostMs: number): number {
    this.looks += 1
    return Math.min(2 ** (this.looks - 1), mostMs)
  }

  private startSleep(cancellation: Cancellation, onEnd: () => void): void {
    const end = (): void => {
      this.endSleep = undefined
      cancellation.stopListening(end)
      onEnd()
    }
    this.endSleep = end
    cancellation.listen(end)
  }
}

/**
 * Stands ahead of a ticket whose turn has come while a guard is still open elsewhere: the holder before is about to end, or a virus scanner looks at
 * the guard.
 */
export class GuardBarrier implements Ticket {
  readonly id = 'guard'
  readonly claim: Claim
  readonly #sinceMs: number = monotonicNowMs()

  /** @param claim that of the ticket behind. */
  constructor(claim: Claim) {
    this.claim = blockerOf(claim)
  }

  get live(): boolean {
    return monotonicNowMs() - this.#sinceMs > BARRIER_MS
  }

  get joining(): boolean {
    return false
  }
}
