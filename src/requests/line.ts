/**
 * The line: all requests of one process for one lock, in the order they came.
 *
 * A request joins the newest party (party.ts) as long as that party's ticket is the last in the queue: then a
 * thousand requests cost one ticket. Once somebody else stands behind it, the next request takes a new ticket. So order is
 * first come, first served over all processes.
 *
 * Requests that came before one and the same look at the queue are judged by that one look: it was made after all of
 * them had come, so if the ticket is last then, all of them came before whoever stands behind it later.
 */
import type { AcquireRequest, Grant } from './engine.ts'
import type { TicketQueue } from './ticket-queue.ts'
import { Party } from './party.ts'
import type { PartyOwner } from './party.ts'
import { Request } from './request.ts'
import { SelfWaitWatch } from './self-wait.ts'

const SETTLED: Promise<void> = Promise.resolve()

export class Line implements PartyOwner {
  readonly #queue: TicketQueue
  readonly #onIdle: () => void
  /** Oldest first. */
  readonly #parties: Party[] = []
  #intake: Request[] = []
  #isPlacing = false
  /** Made when a request first comes behind others of its process. */
  #selfWaits: SelfWaitWatch | undefined

  constructor(queue: TicketQueue, onIdle: () => void) {
    this.#queue = queue
    this.#onIdle = onIdle
  }

  acquire(asked: AcquireRequest): Promise<Grant | null> {
    return new Promise((resolve, reject) => {
      const request = new Request(asked, resolve, reject)
      this.#intake.push(request)
      this.#startPlacing()
    })
  }

  /** Acquires the lock if it is free and nothing has to be waited for; otherwise undefined. Throws what `acquire` rejects with. */
  acquireAtOnce(asked: AcquireRequest): Grant | undefined {
    let granted: Grant | undefined
    let failure: { readonly error: unknown } | undefined
    if (this.#parties.length === 0 && this.#intake.length === 0 && !this.#isPlacing) {
      const request = new Request(
        asked,
        (grant) => (granted = grant ?? undefined),
        (error) => (failure = { error }),
      )
      const party = new Party(this.#queue, this, request)
      this.#parties.push(party)
      party.runAtOnce()
    }
    if (failure !== undefined) throw failure.error
    return granted
  }

  onOver(party: Party): void {
    const index = this.#parties.lastIndexOf(party)
    if (index !== -1) this.#parties.splice(index, 1)
    this.#checkIdle()
  }

  onStranded(requests: readonly Request[]): void {
    if (requests.length === 0) return
    this.#intake.unshift(...requests)
    this.#startPlacing()
  }

  #startPlacing(): void {
    if (this.#isPlacing) return
    this.#isPlacing = true
    // By a promise: queueMicrotask() makes a context of its own for what is run.
    void SETTLED.then(this.#placeAll)
  }

  readonly #placeAll = async (): Promise<void> => {
    // Bound: by the requests that come; each round takes all that are there.
    while (this.#intake.length > 0) {
      const batch = this.#intake
      this.#intake = []
      try {
        const newest = this.#parties.at(-1)
        // One look costs as much as a listing.
        const isOpen = newest !== undefined && batch.some((request) => newest.isOpenTo(request))
        const isLast = isOpen && (newest.ticket === undefined || this.#queue.isLast(newest.ticket))
        this.#place(batch, (isLast instanceof Promise ? await isLast : isLast) ? newest : undefined)
      } catch (error) {
        for (const request of batch) if (!request.isSettled) request.reject(error)
      }
    }
    this.#isPlacing = false
    this.#checkIdle()
  }

  /** @param joinable the newest party, where nobody stands behind it. */
  #place(batch: readonly Request[], joinable: Party | undefined): void {
    let newest = joinable
    for (const request of batch) {
      if (request.isSettled) continue
      if (this.#parties.length > 0 && request.noticesSelfWait) {
        this.#selfWaits ??= new SelfWaitWatch(this.#parties)
        this.#selfWaits.start()
      }
      try {
        if (newest?.accepts(request) === true) {
          newest.add(request)
          continue
        }
      } catch (error) {
        // It alone: others of the batch may have their places already.
        request.fail(error)
        continue
      }
      const ahead = this.#parties.at(-1)
      newest = new Party(this.#queue, this, request)
      this.#parties.push(newest)
      void newest.run(ahead)
    }
  }

  #checkIdle(): void {
    if (this.#parties.length === 0 && this.#intake.length === 0 && !this.#isPlacing) {
      this.#selfWaits?.stop()
      this.#onIdle()
    }
  }
}
