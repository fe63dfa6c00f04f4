/** A ticket queue that does what a test tells it to do. */
import assert from 'node:assert/strict'
import type { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../src/requests/ticket-queue.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import type { Claim } from '../../src/core/claim.ts'
import type { Ticket } from '../../src/core/ticket.ts'

export interface FakeTicket extends Ticket {
  readonly request: EnqueueRequest
}

/** A queue in memory whose every step can be made to fail, to be held up, or to answer something else. */
export class ScriptedQueue implements TicketQueue<FakeTicket, Ticket> {
  /** The queue: others' tickets may be put in and taken out. */
  tickets: Ticket[] = []
  ticketPerRequest = false
  stealing: Stealing<FakeTicket> | undefined
  /** What was called, in order: `enqueue`, `list 1`, `withdraw 1`, … */
  readonly calls: string[] = []
  /** Called instead of a step where one is set; `enqueue`, `list`, `anyChange`, `withdraw`, `isLast`, `areLast`; `granted` only
   * to fail. */
  readonly instead: Map<string, (ticket: FakeTicket | undefined) => unknown> = new Map()
  #listed: readonly Ticket[] = []
  #lastNumber = 0
  #lastToken = 0n
  readonly #sleepers = new Set<() => void>()

  enqueue(request: EnqueueRequest): FakeTicket | null | Promise<FakeTicket | null> {
    const step = this.#step('enqueue')
    if (step !== undefined) return step.value as FakeTicket | null
    return this.join(request)
  }

  /** The next ticket joins at once, and its request hears of that when the gate is open. */
  joinLate(): Gate<void> {
    const answer = gate()
    const { enqueue } = this
    this.enqueue = (request) => {
      this.enqueue = enqueue
      const ticket = this.join(request)
      return answer.promise.then(() => ticket)
    }
    return answer
  }

  /** What `enqueue` does by default. */
  join(request: EnqueueRequest): FakeTicket {
    this.#lastNumber += 1
    const ticket = { id: String(this.#lastNumber), claim: request.claim, live: true, joining: false, request }
    this.tickets.push(ticket)
    return ticket
  }

  list(own: FakeTicket): readonly Ticket[] | Promise<readonly Ticket[]> {
    const step = this.#step('list', own)
    if (step !== undefined) return step.value as readonly Ticket[]
    this.#listed = [...this.tickets]
    return this.#listed
  }

  async anyChange(own: FakeTicket, among: readonly Ticket[], cancellation: Cancellation): Promise<void> {
    const step = this.#step('anyChange', own)
    if (step !== undefined) return await (step.value as Promise<void>)
    if (cancellation.cancelled || !among.every((ticket) => this.tickets.includes(ticket))) return
    await new Promise<void>((resolve) => {
      this.#sleepers.add(resolve)
      cancellation.listen(resolve)
    })
  }

  granted(): GrantFacts {
    this.#step('granted')
    this.#lastToken += 1n
    return { token: this.#lastToken, recovered: false }
  }

  isLast(own: FakeTicket): boolean | Promise<boolean> {
    const step = this.#step('isLast', own)
    if (step !== undefined) return step.value as boolean
    this.#listed = [...this.tickets]
    return this.wasLast(own)
  }

  wasLast(own: FakeTicket): boolean {
    return this.#listed.at(-1) === own
  }

  areLast(own: readonly FakeTicket[]): boolean {
    this.#step('areLast')
    return this.tickets.slice(-own.length).every((ticket) => own.includes(ticket as FakeTicket))
  }

  withdraw(own: FakeTicket): void | Promise<void> {
    const step = this.#step('withdraw', own)
    if (step !== undefined) return step.value as Promise<void>
    this.remove(own)
  }

  /** Somebody else's ticket, put at the end. */
  stranger(id: string, claim: Claim = EXCLUSIVE): Ticket {
    const ticket = { id, claim, live: true, joining: false }
    this.tickets.push(ticket)
    return ticket
  }

  /** Takes a ticket out, and wakes all. */
  remove(ticket: Ticket): void {
    this.tickets = this.tickets.filter((other) => other !== ticket)
    this.wake()
  }

  wake(): void {
    for (const wake of this.#sleepers) wake()
    this.#sleepers.clear()
  }

  get only(): FakeTicket {
    assert.equal(this.tickets.length, 1)
    return this.tickets[0] as FakeTicket
  }

  #step(name: string, ticket?: FakeTicket): { readonly value: unknown } | undefined {
    this.calls.push(ticket === undefined ? name : `${name} ${ticket.id}`)
    const instead = this.instead.get(name)
    if (instead === undefined) return undefined
    return { value: instead(ticket) }
  }
}

/** A promise to be settled by hand. */
export interface Gate<T> {
  readonly promise: Promise<T>
  readonly open: (value: T) => void
  readonly fail: (error: unknown) => void
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}

/** Lets all that can run, run. */
export async function settle(): Promise<void> {
  for (let count = 0; count < 3; count += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}
