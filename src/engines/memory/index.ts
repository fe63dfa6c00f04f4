/**
 * The memory engine: a ticket queue in this process's memory. The reference for the contract, and the engine for
 * tests that want no files. Two engines made over one `MemoryStore` are two clients of the same locks.
 */
import type { Cancellation } from '../../requests/cancellation.ts'
import type { Engine, EngineSnapshot } from '../../requests/engine.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../requests/ticket-queue.ts'
import { SHARED } from '../../core/claim.ts'
import { splitByTurn } from '../../core/standing.ts'
import { decideTurn } from '../../core/turn.ts'
import { SlocketError } from '../../errors.ts'
import { createTicketEngine } from '../../requests/ticket-engine.ts'
import { snapshotOf } from '../../requests/snapshot.ts'
import { clearInterval, keepAliveTimer, queueMicrotask } from '../../real-time.ts'
import type { MemoryTicket } from './store.ts'
import { MemoryStore } from './store.ts'

/**
 * Makes an engine whose locks live in the memory of this process, for tests and for locks within one process. They need no files, and end with the
 * process.
 *
 * ```js
 * const lock = await slocket('jobs', { engine: memory() })
 * ```
 *
 * @param store holds the locks. Two engines with the same store are two clients of the same locks. Default: a new store.
 * @throws TypeError if `store` isn't a MemoryStore.
 */
export function memory(store: MemoryStore = new MemoryStore()): Engine {
  if (!isStore(store)) throw new TypeError('store must be a MemoryStore')
  store.lastClient += 1
  const client = `client-${store.lastClient}`
  return createTicketEngine({
    name: 'memory',
    capabilities: {
      ordered: true,
      shared: true,
      permits: true,
      take: true,
      recovered: false,
      steal: true,
      downgrade: true,
    },
    space: store,
    resolve: (resource) => resource,
    open: (resource) => new MemoryQueue(store, resource, client),
    query: (resource) => Promise.resolve(query(store, resource, client)),
    queryAll: () =>
      Promise.resolve(new Map([...store.queues.keys()].map((resource) => [resource, query(store, resource, client)]))),
  })
}

/** Not by `instanceof`: it may be of another loaded copy of the package. */
function isStore(value: unknown): value is MemoryStore {
  return typeof value === 'object' && value !== null && 'queues' in value && value.queues instanceof Map
}

class MemoryQueue implements TicketQueue<MemoryTicket, MemoryTicket>, Stealing<MemoryTicket> {
  readonly stealing: Stealing<MemoryTicket> = this
  readonly #store: MemoryStore
  readonly #resource: string
  readonly #client: string

  constructor(store: MemoryStore, resource: string, client: string) {
    this.#store = store
    this.#resource = resource
    this.#client = client
  }

  enqueue(request: EnqueueRequest): MemoryTicket {
    this.#store.lastNumber += 1
    const id = String(this.#store.lastNumber)
    const { claim } = request
    const client = this.#client
    const ticket = { id, claim, live: true, joining: false, request, client, isHolder: false }
    const queue = this.#store.queues.get(this.#resource)
    if (queue === undefined) this.#store.queues.set(this.#resource, [ticket])
    else if (request.steal) this.#steal(queue, ticket)
    else queue.push(ticket)
    return ticket
  }

  #steal(queue: MemoryTicket[], thief: MemoryTicket): void {
    const holders = queue.filter((ticket) => ticket.isHolder)
    queue.unshift(thief)
    for (const holder of holders) {
      holder.isHolder = false
      // Who waits by it keeps its place. Otherwise the holder withdraws it.
      this.#notifyStolen(holder)
    }
  }

  becomeHolder(own: MemoryTicket): boolean {
    // A thief may have come since the listing.
    own.isHolder = decideTurn(own, this.list()).kind === 'held'
    return own.isHolder
  }

  isHolder(own: MemoryTicket): boolean {
    if (!own.isHolder) this.#notifyStolen(own)
    return own.isHolder
  }

  /** Notifies the holder at once. It withdraws its ticket itself if nobody waits by it. */
  setHasWaiters(): boolean {
    return true
  }

  #notifyStolen(victim: MemoryTicket): void {
    victim.request.onStolen(new SlocketError('ERR_SLOCKET_LOST', `the lock '${this.#resource}' was stolen`))
  }

  list(): readonly MemoryTicket[] {
    return [...(this.#store.queues.get(this.#resource) ?? [])]
  }

  isLast(own: MemoryTicket): boolean {
    return this.#store.queues.get(this.#resource)?.at(-1) === own
  }

  areLast(own: readonly MemoryTicket[]): boolean {
    const last = new Set(this.#store.queues.get(this.#resource)?.slice(-own.length))
    return own.every((ticket) => last.has(ticket))
  }

  async anyChange(_own: MemoryTicket, among: readonly MemoryTicket[], cancellation: Cancellation): Promise<void> {
    const queue = this.#store.queues.get(this.#resource)
    if (queue === undefined || cancellation.cancelled || !among.every((ticket) => queue.includes(ticket))) return
    const { sleepers } = this.#store
    const { promise, resolve } = wakeable()
    const keepAlive = keepAliveTimer()
    sleepers.add(resolve)
    cancellation.listen(resolve)
    await promise
    cancellation.stopListening(resolve)
    sleepers.delete(resolve)
    clearInterval(keepAlive)
  }

  granted(own: MemoryTicket): GrantFacts {
    // RACE: the lock was stolen between its turn and this line. It has held, and is notified as soon as it knows that.
    if (!own.isHolder) queueMicrotask(() => this.#notifyStolen(own))
    this.#store.lastToken += 1n
    return { token: this.#store.lastToken, recovered: false }
  }

  downgrade(own: MemoryTicket): void {
    own.claim = SHARED
    this.#wakeAll()
  }

  isWanted(): boolean {
    return splitByTurn(this.list()).pending.length > 0
  }

  withdraw(own: MemoryTicket): void {
    const queue = this.#store.queues.get(this.#resource)
    const index = queue?.indexOf(own) ?? -1
    if (queue === undefined || index === -1) return
    queue.splice(index, 1)
    if (queue.length === 0) this.#store.queues.delete(this.#resource)
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#store.sleepers) wake()
  }
}

function wakeable(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

function query(store: MemoryStore, resource: string, client: string): EngineSnapshot {
  // A try that does not hold only looks: it does not wait.
  return snapshotOf(store.queues.get(resource) ?? [], (ticket) =>
    (ticket.request.wait || ticket.isHolder ? ticket.request.requests() : []).map(
      ({ sinceMs, sinceNs, label, identity }) => ({
        claim: ticket.claim,
        pid: process.pid,
        sinceMs,
        sinceNs,
        label,
        command: process.argv.join(' '),
        self: ticket.client === client,
        client: ticket.client,
        ...(identity === undefined ? {} : { identity }),
      }),
    ),
  )
}
