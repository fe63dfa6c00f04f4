/**
 * The memory engine: a ticket queue in this process's memory. The reference for the contract, and the engine for
 * tests that want no files. Two engines made over one `MemoryStore` are two clients of the same locks.
 */
import type { Cancellation } from '../../contract/cancellation.ts'
import type { Engine, EngineSnapshot } from '../../contract/engine.ts'
import type { EnqueueRequest, GrantFacts, TicketQueue } from '../../contract/ticket-queue.ts'
import type { Ticket } from '../../core/ticket.ts'
import { createTicketEngine } from '../../recipe/ticket-engine.ts'
import { snapshotOf } from '../../recipe/snapshot.ts'

/** A timer's longest delay: it only keeps the process alive. */
const FOR_EVER_MS = 2 ** 31 - 1

interface MemoryTicket extends Ticket {
  readonly request: EnqueueRequest
  readonly client: object
}

/** What clients of the same locks share. */
export class MemoryStore {
  /** @internal */
  readonly queues: Map<string, MemoryTicket[]> = new Map()
  /** @internal */
  readonly sleepers: Set<() => void> = new Set()
  /** @internal */
  lastNumber: number = 0
  /** @internal */
  lastToken: bigint = 0n
}

/**
 * Makes an engine whose locks live in this process's memory.
 *
 * ```js
 * const lock = await slocket('jobs', { engine: memory() })
 * ```
 *
 * @param store give two engines the same store to make them two clients of the same locks. Default: a new one.
 */
export function memory(store: MemoryStore = new MemoryStore()): Engine {
  const client = {}
  return createTicketEngine({
    name: 'memory',
    capabilities: { ordered: true, shared: true, permits: true, recovered: false },
    resolve: (resource) => resource,
    open: (resource) => new MemoryQueue(store, resource, client),
    query: (resource) => Promise.resolve(query(store, resource, client)),
  })
}

class MemoryQueue implements TicketQueue<MemoryTicket, MemoryTicket> {
  readonly #store: MemoryStore
  readonly #resource: string
  readonly #client: object

  constructor(store: MemoryStore, resource: string, client: object) {
    this.#store = store
    this.#resource = resource
    this.#client = client
  }

  enqueue(request: EnqueueRequest): MemoryTicket {
    this.#store.lastNumber += 1
    const id = String(this.#store.lastNumber)
    const ticket = { id, claim: request.claim, live: true, joining: false, request, client: this.#client }
    const queue = this.#store.queues.get(this.#resource)
    if (queue === undefined) this.#store.queues.set(this.#resource, [ticket])
    else queue.push(ticket)
    return ticket
  }

  list(): readonly MemoryTicket[] {
    return [...(this.#store.queues.get(this.#resource) ?? [])]
  }

  isLast(own: MemoryTicket): boolean {
    return this.#store.queues.get(this.#resource)?.at(-1) === own
  }

  async anyChange(_own: MemoryTicket, among: readonly MemoryTicket[], cancellation: Cancellation): Promise<void> {
    const queue = this.#store.queues.get(this.#resource)
    if (queue === undefined || cancellation.cancelled || !among.every((ticket) => queue.includes(ticket))) return
    const { sleepers } = this.#store
    const { promise, resolve } = wakeable()
    const keepAlive = setInterval(() => {}, FOR_EVER_MS)
    sleepers.add(resolve)
    cancellation.listen(resolve)
    await promise
    cancellation.stopListening(resolve)
    sleepers.delete(resolve)
    clearInterval(keepAlive)
  }

  granted(): GrantFacts {
    this.#store.lastToken += 1n
    return { token: this.#store.lastToken, recovered: false }
  }

  withdraw(own: MemoryTicket): void {
    const queue = this.#store.queues.get(this.#resource)
    const index = queue?.indexOf(own) ?? -1
    if (queue === undefined || index === -1) return
    queue.splice(index, 1)
    if (queue.length === 0) this.#store.queues.delete(this.#resource)
    for (const wake of this.#store.sleepers) wake()
  }
}

function wakeable(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

function query(store: MemoryStore, resource: string, client: object): EngineSnapshot {
  return snapshotOf(store.queues.get(resource) ?? [], (ticket) =>
    ticket.request.party().map(({ sinceMs, label }) => ({
      claim: ticket.claim,
      pid: process.pid,
      sinceMs,
      label,
      command: process.argv.join(' '),
      self: ticket.client === client,
    })),
  )
}
