/**
 * Wakes the waiters whose turn may have come because a ticket has left: rules N, D and P in model/README.md. A wake-up is only a hint: each
 * waiter lists and decides again, and also looks once a second by itself.
 */
import type { Claim } from '../../../core/claim.ts'
import { successorsOf, successorsOfDowngrade } from '../../../core/successors.ts'
import { debug } from '../../../debug.ts'
import { setTimeout } from '../../../real-time.ts'
import type { Bell } from './bell.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import type { QueueView } from './view.ts'

/** A ticket that has left the queue, or whose holder was downgraded. */
export interface Departed {
  readonly name: string
  readonly claim: Claim
  /** A ticket that has not held may have been woken in place of one behind it, which may know nothing of it. */
  readonly hasHeld: boolean
  /** Whether it is still there, and shares. */
  readonly isDowngrade?: boolean
}

/** A departure that may have to be announced again: the process that was notified may have died before it could continue. */
interface DepartureRecord {
  readonly departed: Departed
  /** The last name that the listing showed. Who joins behind that lists after the departure. */
  readonly last: string
  repeats: number
}

/** How many times a departure is announced again at most, and how soon, in ms: a missing pipe may be that of a process that is about to end. */
const MOST_REPEATS = 20
const REPEAT_MS = 10
/** How many departures are remembered. */
const MOST_RECORDS = 64

export class Notifier {
  readonly #view: QueueView
  readonly #own: ReadonlyMap<string, OwnTicket>
  readonly #bell: () => Bell | undefined
  #records: DepartureRecord[] = []
  #isRepeating = false

  constructor(view: QueueView, own: ReadonlyMap<string, OwnTicket>, bell: () => Bell | undefined) {
    this.#view = view
    this.#own = own
    this.#bell = bell
  }

  /** A ticket of this process has left, or was downgraded. */
  onDeparture(departed: Departed): void {
    if (this.#own.size === 0 && departed.hasHeld && this.#bell()?.hasConnections !== true) return
    try {
      this.#view.list()
    } catch (error) {
      debug('the successors cannot be listed: %s', error)
      for (const own of this.#own.values()) own.wake()
      return
    }
    const last = this.#view.behind(departed.name).at(-1)
    if (last === undefined) return
    this.#records = this.#records.filter((record) => this.#between(record).length > 0).slice(1 - MOST_RECORDS)
    this.#records.push({ departed, last: last.name, repeats: 0 })
    this.#notify(departed, this.#view.behind(departed.name))
  }

  /** A connection has ended: wake-ups over it may never have been read. */
  repeat(): void {
    if (this.#records.length === 0 || this.#isRepeating) return
    this.#isRepeating = true
    setTimeout(() => {
      this.#isRepeating = false
      this.#repeatNow()
    }, REPEAT_MS).unref()
  }

  #repeatNow(): void {
    try {
      this.#view.list()
    } catch (error) {
      return debug('the successors cannot be listed: %s', error)
    }
    this.#records = this.#records.filter((record) => {
      record.repeats += 1
      return record.repeats <= MOST_REPEATS && this.#between(record).length > 0
    })
    for (const record of this.#records) this.#notify(record.departed, this.#between(record))
  }

  /** Makes the owner of a ticket look at the queue, however it can be reached. */
  wake(ticket: ListedTicket): void {
    this.#wake(ticket, false)
  }

  #between({ departed, last }: DepartureRecord): ListedTicket[] {
    return this.#view.behind(departed.name).filter(({ name }) => name <= last)
  }

  #notify({ claim, hasHeld, isDowngrade }: Departed, behind: readonly ListedTicket[]): void {
    let candidates = behind.filter(
      (ticket) => this.#isOwn(ticket) || !hasHeld || this.#bell()?.hasInbound(ticket.member),
    )
    const tried = new Set<ListedTicket>()
    // Bound: each round tries others, in place of successors that could not be notified.
    for (;;) {
      const successors = isDowngrade ? successorsOfDowngrade(candidates) : successorsOf(claim, candidates)
      const next = successors.filter((ticket) => !tried.has(ticket))
      if (next.length === 0) return
      const unreached = new Set<ListedTicket>()
      for (const ticket of next) {
        tried.add(ticket)
        if (!this.#wake(ticket, hasHeld)) unreached.add(ticket)
      }
      if (unreached.size === 0) return
      candidates = candidates.filter((ticket) => !unreached.has(ticket))
    }
  }

  /** False if it is certain that the wake-up doesn't reach the ticket's owner. */
  #wake(ticket: ListedTicket, hasHeld: boolean): boolean {
    if (this.#isOwn(ticket)) {
      this.#own.get(ticket.id)!.wake()
      return true
    }
    const bell = this.#bell()
    if (bell?.ring(ticket.member, [ticket.id]) === true) return true
    if (bell === undefined || hasHeld) return false
    bell.connect(ticket.member)
    return bell.ring(ticket.member, [ticket.id])
  }

  #isOwn({ id, name }: ListedTicket): boolean {
    return this.#own.get(id)?.name === name
  }
}
