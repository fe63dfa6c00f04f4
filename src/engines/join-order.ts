/**
 * The order in which the requests of one process enter a queue: the order of their calls, whatever fails meanwhile.
 *
 *  1. One request at a time writes its ticket: the oldest request without a ticket.
 *  2. A ticket that was lost with its session counts as no ticket. Its request enters again, before all later requests.
 *  3. A request that was granted, refused or cancelled holds up no other request.
 *  4. If a request fails because the server doesn't answer, all requests made before that failure fail as well: otherwise each of them would have to
 *     find out by itself.
 *
 * Tries and thieves wait for no other request, and no request waits for them: they have no place here.
 */
import type { EnqueueRequest } from '../requests/ticket-queue.ts'
import { monotonicNowNs, queueMicrotask } from '../real-time.ts'

/** What this module needs to know of a ticket. */
interface EnteredTicket {
  readonly request: EnqueueRequest
  /** Why it is gone, though it has not left by itself. Undefined if it isn't. */
  readonly loss: unknown
}

interface Place {
  /** Since when it has wanted to enter, by process.hrtime. */
  sinceNs: bigint
  own: EnteredTicket | undefined
  /** Called when it is the next request. */
  onNext: (() => void) | undefined
}

export class JoinOrder {
  /** Oldest first. */
  readonly #places = new Map<EnqueueRequest, Place>()
  /** The last failure because the server didn't answer. */
  #failure: { readonly error: unknown; readonly atNs: bigint } | undefined
  #isNotifying = false

  /** Adds a request behind all others. */
  add(request: EnqueueRequest): void {
    if (!request.wait || request.steal) return
    // It may have waited for long until earlier requests had entered.
    const sinceNs = request.requests()[0]?.sinceNs ?? monotonicNowNs()
    this.#places.set(request, { sinceNs, own: undefined, onNext: undefined })
  }

  /** Whether it may write its ticket now. */
  isNext(request: EnqueueRequest): boolean {
    return !this.#places.has(request) || this.#oldestOutside() === request
  }

  /** Waits until it is the next request, or was cancelled. @throws the error of a request before it that failed meanwhile: see `fail`. */
  async next(request: EnqueueRequest): Promise<void> {
    const { cancellation } = request
    // Bound: none but the caller's cancellation. Each older request joins, fails, or is cancelled.
    while (!cancellation.cancelled && !this.isNext(request)) {
      const place = this.#places.get(request)!
      await new Promise<void>((resolve) => {
        place.onNext = resolve
        cancellation.listen(resolve)
      })
      cancellation.stopListening(place.onNext!)
      place.onNext = undefined
    }
    const sinceNs = this.#places.get(request)?.sinceNs
    if (sinceNs !== undefined && this.#failure !== undefined && sinceNs < this.#failure.atNs) throw this.#failure.error
  }

  /** The server doesn't answer: `error` says for how long. Must be called before the failed request leaves. */
  fail(error: unknown): void {
    this.#failure = { error, atNs: monotonicNowNs() }
  }

  /** It has joined the queue, by this ticket. */
  stand(own: EnteredTicket): void {
    const place = this.#places.get(own.request)
    if (place === undefined) return
    place.own = own
    this.#failure = undefined
    this.#notifyNext()
  }

  /** The request has lost its ticket. */
  goOut({ request }: EnteredTicket): void {
    const place = this.#places.get(request)
    if (place === undefined) return
    place.own = undefined
    place.sinceNs = monotonicNowNs()
  }

  /** The request waits no longer. */
  leave(request: EnqueueRequest): void {
    if (this.#places.delete(request)) this.#notifyNext()
  }

  #oldestOutside(): EnqueueRequest | undefined {
    for (const [request, { own }] of this.#places) {
      const isInside = own !== undefined && own.loss === undefined
      if (!isInside && !request.cancellation.cancelled) return request
    }
    return undefined
  }

  /** In a microtask: once, if thousands of requests leave together. */
  #notifyNext(): void {
    if (this.#isNotifying) return
    this.#isNotifying = true
    queueMicrotask(() => {
      this.#isNotifying = false
      const next = this.#oldestOutside()
      if (next !== undefined) this.#places.get(next)!.onNext?.()
    })
  }
}
