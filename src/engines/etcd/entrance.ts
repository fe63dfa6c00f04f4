/**
 * The order in which the requests of one process go into a queue: that in which they were asked for, whatever fails meanwhile.
 *
 *  1. One of them at a time writes its ticket: the oldest of those that have none.
 *  2. A ticket that was lost with its session counts as none. Its request goes in anew, before all that came after it.
 *  3. A request that was granted, refused or called off is in nobody's way.
 *
 * Tries and thieves wait for nobody, and nobody waits for them: they have no place here.
 */
import type { EnqueueRequest } from '../../contract/ticket-queue.ts'
import type { OwnTicket } from './ticket.ts'

interface Place {
  own: OwnTicket | undefined
  /** It waits until it is the next one. */
  onNext: (() => void) | undefined
}

export class Entrance {
  /** Oldest first. */
  readonly #places = new Map<EnqueueRequest, Place>()

  /** Behind all that have a place. */
  add(request: EnqueueRequest): void {
    if (request.wait && !request.steal) this.#places.set(request, { own: undefined, onNext: undefined })
  }

  /** Whether it may write its ticket now. */
  isNext(request: EnqueueRequest): boolean {
    return !this.#places.has(request) || this.#oldestOutside() === request
  }

  /** Until it is the next one, or was called off. */
  async next(request: EnqueueRequest): Promise<void> {
    const { cancellation } = request
    // Bound: none but the caller's cancellation. Each older request joins, fails, or is called off.
    while (!this.isNext(request) && !cancellation.cancelled) {
      const place = this.#places.get(request)!
      await new Promise<void>((resolve) => {
        place.onNext = resolve
        cancellation.listen(resolve)
      })
      cancellation.stopListening(place.onNext!)
      place.onNext = undefined
    }
  }

  /** It has joined the queue, by this ticket. */
  stand(own: OwnTicket): void {
    const place = this.#places.get(own.request)
    if (place === undefined) return
    place.own = own
    this.#tellNext()
  }

  /** It has lost its ticket, whoever has noticed that. */
  goOut({ request }: OwnTicket): void {
    const place = this.#places.get(request)
    if (place !== undefined) place.own = undefined
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
