/**
 * The order in which the requests of one process go into a queue: that in which they were asked for, whatever fails meanwhile.
 *
 *  1. One of them at a time writes its ticket: the oldest of those that have none.
 *  2. A ticket that was lost with its session counts as none. Its request goes in anew, before all that came after it.
 *  3. A request that was granted, refused or cancelled is in nobody's way.
 *  4. Where one has failed since nothing answers, so have those who came before that: each of them would have to find out anew.
 *
 * Tries and thieves wait for nobody, and nobody waits for them: they have no place here.
 */
import type { EnqueueRequest } from '../requests/ticket-queue.ts'
import { monotonicNowNs } from '../real-time.ts'

/** What is needed here of a ticket. */
interface EnteredTicket {
  readonly request: EnqueueRequest
  /** Why it is gone, though it has not left by itself. Undefined if it isn't. */
  readonly loss: unknown
}

interface Place {
  /** Since when it has wanted to go in, by process.hrtime. */
  sinceNs: bigint
  own: EnteredTicket | undefined
  /** It waits until it is the next one. */
  onNext: (() => void) | undefined
}

export class JoinOrder {
  /** Oldest first. */
  readonly #places = new Map<EnqueueRequest, Place>()
  /** That of the last one for whom nothing answered. */
  #failure: { readonly error: unknown; readonly atNs: bigint } | undefined

  /** Behind all that have a place. */
  add(request: EnqueueRequest): void {
    if (!request.wait || request.steal) return
    // It may have waited for long until those who were asked before it had gone in.
    const sinceNs = request.requests()[0]?.sinceNs ?? monotonicNowNs()
    this.#places.set(request, { sinceNs, own: undefined, onNext: undefined })
  }

  /** Whether it may write its ticket now. */
  isNext(request: EnqueueRequest): boolean {
    return !this.#places.has(request) || this.#oldestOutside() === request
  }

  /** Until it is the next one, or was cancelled. @throws what has failed for one before it meanwhile: see `fail`. */
  async next(request: EnqueueRequest): Promise<void> {
    const { cancellation } = request
    // Bound: none but the caller's cancellation. Each older request joins, fails, or is cancelled.
    while (!this.isNext(request) && !cancellation.cancelled) {
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

  /** Nothing answers: `error` says for how long. To be told before the one that has found that out leaves. */
  fail(error: unknown): void {
    this.#failure = { error, atNs: monotonicNowNs() }
  }

  /** It has joined the queue, by this ticket. */
  stand(own: EnteredTicket): void {
    const place = this.#places.get(own.request)
    if (place === undefined) return
    place.own = own
    this.#failure = undefined
    this.#tellNext()
  }

  /** It has lost its ticket, whoever has noticed that. */
  goOut({ request }: EnteredTicket): void {
    const place = this.#places.get(request)
    if (place === undefined) return
    place.own = undefined
    place.sinceNs = monotonicNowNs()
  }

  /** It waits no longer. */
  leave(request: EnqueueRequest): void {
    if (this.#places.delete(request)) this.#tellNext()
  }

  #oldestOutside(): EnqueueRequest | undefined {
    for (const [request, { own }] of this.#places) {
      const isInside = own !== undefined && own.loss === undefined
      if (!isInside && !request.cancellation.cancelled) return request
    }
    return undefined
  }

  #tellNext(): void {
    const next = this.#oldestOutside()
    if (next !== undefined) this.#places.get(next)!.onNext?.()
  }
}
