/** Makes an engine of a ticket queue. */
import type { AcquireRequest, Engine, EngineCapabilities, EngineSnapshot, Grant } from './engine.ts'
import type { TicketQueue } from './ticket-queue.ts'
import { Request } from './request.ts'
import type { KeptResources } from './resource-requests.ts'
import { keep, ResourceRequests } from './resource-requests.ts'

export interface TicketEngineParts {
  readonly name: string
  readonly capabilities: EngineCapabilities
  /** See Engine. */
  readonly space?: object
  /** The one name of a resource that may have several, at the time of the call. A name that this has returned stays as it is. */
  resolve(resource: string): string
  /**
   * The queue of a resolved resource: an object for this client, which is kept for further requests. It may call `close` when what it knows is no
   * longer worth keeping: then it is opened anew for the next request, if none has a place in it.
   */
  open(resource: string, close: () => void): TicketQueue
  /** Who holds and who waits for a resolved resource. `signal` as in `Engine.query`. */
  query(resource: string, signal?: AbortSignal): Promise<EngineSnapshot>
  /** The same of all resources, where they can be told. */
  queryAll?(): Promise<ReadonlyMap<string, EngineSnapshot>>
}

export interface TicketEngine extends Engine {
  /** Acquires the lock if it is free and nothing has to be waited for; otherwise undefined. Throws what `acquire` rejects with. */
  acquireAtOnce(resource: string, request: AcquireRequest): Grant | undefined
}

/** What settles `request`, without a promise and without a signal in between. Never throws. */
type Ask = (resource: string, request: Request) => void

/** By the function `acquire`: an engine whose `acquire` was replaced is asked by that. */
const asks = new WeakMap<Engine['acquire'], Ask>()

/** The quick way to ask an engine. Undefined if it has none. */
export function askOf(engine: Engine): Ask | undefined {
  // oxlint-disable-next-line typescript/unbound-method -- it is compared, not called
  return asks.get(engine.acquire)
}

export function createTicketEngine(parts: TicketEngineParts): TicketEngine {
  const kept: KeptResources = new Map()

  function open(asked: string): ResourceRequests {
    const resource = parts.resolve(asked)
    const known = kept.get(resource)
    if (known !== undefined) return known
    const requests: ResourceRequests = new ResourceRequests(
      parts.open(resource, () => requests.close()),
      resource,
      kept,
    )
    keep(kept, resource, requests)
    return requests
  }

  const ask: Ask = (asked, request) => {
    try {
      if (request.signal?.aborted === true) return request.reject(request.signal.reason)
      // Mostly what is asked for is the resolved name itself.
      const requests = kept.get(asked) ?? open(asked)
      requests.add(request)
    } catch (error) {
      request.reject(error)
    }
  }

  const acquire: Engine['acquire'] = (resource, asked) =>
    new Promise((resolve, reject) => ask(resource, new Request(asked, resolve, reject)))
  asks.set(acquire, ask)

  return {
    name: parts.name,
    capabilities: parts.capabilities,
    ...(parts.space === undefined ? {} : { space: parts.space }),
    acquire,
    acquireAtOnce: (asked, request) => (kept.get(asked) ?? open(asked)).acquireAtOnce(request),
    query: async (asked, signal) => await parts.query(parts.resolve(asked), signal),
    ...(parts.queryAll === undefined ? {} : { queryAll: () => parts.queryAll!() }),
  }
}
