/** Makes an engine from a ticket queue. */
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
  /** Returns one name for a resource that may have several, as of the time of the call. For a name that this returned, it returns the same name. */
  resolve(resource: string): string
  /**
   * Returns the queue of a resolved resource: an object for this client, which is kept for further requests. It may call `close` when its state is no
   * longer worth keeping: then the queue is opened anew for the next request, if no request has a place in it.
   */
  open(resource: string, close: () => void): TicketQueue
  /** Lists the holders and the waiters of a resolved resource. `signal` as in `Engine.query`. */
  query(resource: string, signal?: AbortSignal): Promise<EngineSnapshot>
  /** The same for all resources. Missing if they can't be listed. */
  queryAll?(): Promise<ReadonlyMap<string, EngineSnapshot>>
}

export interface TicketEngine extends Engine {
  /** Acquires the lock if it is free and nothing has to be waited for; otherwise undefined. Throws what `acquire` rejects with. */
  acquireAtOnce(resource: string, request: AcquireRequest): Grant | undefined
}

/** Asks for `request`, which notifies its asker, without a promise or a signal in between. Never throws. */
type Ask = (resource: string, request: Request) => void

/** The key is the function `acquire`, so that the replacement is used if an engine's `acquire` was replaced. */
const asks = new WeakMap<Engine['acquire'], Ask>()

/** Returns the fast way to ask an engine. Undefined if it has none. */
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
      // Usually the caller asks for the resolved name itself.
      const requests = kept.get(asked) ?? open(asked)
      requests.add(request)
    } catch (error) {
      request.reject(error)
    }
  }

  const acquire: Engine['acquire'] = (resource, asked) =>
    new Promise((onGrant, onError) => ask(resource, new Request(asked, { onGrant, onError })))
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
