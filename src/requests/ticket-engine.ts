/** Makes an engine of a ticket queue: one line for each resource that is asked for. */
import type { AcquireRequest, Engine, EngineCapabilities, EngineSnapshot, Grant } from './engine.ts'
import type { TicketQueue } from './ticket-queue.ts'
import { Line } from './line.ts'

export interface TicketEngineParts {
  readonly name: string
  readonly capabilities: EngineCapabilities
  /** See Engine. */
  readonly space?: object
  /** The one name of a resource that may have several, at the time of the call. */
  resolve(resource: string): string
  /** The queue of a resolved resource: an object for this client. Asked for again after the line for it went idle. */
  open(resource: string): TicketQueue
  /** Who holds and who waits for a resolved resource. `signal` as in `Engine.query`. */
  query(resource: string, signal?: AbortSignal): Promise<EngineSnapshot>
  /** The same of all resources, where they can be told. */
  queryAll?(): Promise<ReadonlyMap<string, EngineSnapshot>>
}

export interface TicketEngine extends Engine {
  /** Acquires the lock if it is free and nothing has to be waited for; otherwise undefined. Throws what `acquire` rejects with. */
  acquireAtOnce(resource: string, request: AcquireRequest): Grant | undefined
}

export function createTicketEngine(parts: TicketEngineParts): TicketEngine {
  const lines = new Map<string, Line>()

  function lineFor(resource: string): Line {
    const known = lines.get(resource)
    if (known !== undefined) return known
    const line: Line = new Line(parts.open(resource), () => {
      if (lines.get(resource) === line) lines.delete(resource)
    })
    lines.set(resource, line)
    return line
  }

  return {
    name: parts.name,
    capabilities: parts.capabilities,
    ...(parts.space === undefined ? {} : { space: parts.space }),
    acquire(asked, request) {
      try {
        request.signal?.throwIfAborted()
        return lineFor(parts.resolve(asked)).acquire(request)
      } catch (error) {
        return Promise.reject(error)
      }
    },
    acquireAtOnce: (asked, request) => lineFor(parts.resolve(asked)).acquireAtOnce(request),
    query: async (asked, signal) => await parts.query(parts.resolve(asked), signal),
    ...(parts.queryAll === undefined ? {} : { queryAll: () => parts.queryAll!() }),
  }
}
