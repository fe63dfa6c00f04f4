import type { AcquireRequest, Engine, EngineSnapshot, Grant } from '../requests/engine.ts'

/** Returns an engine in which every name means the lock `resource`: a relative path means another file once the working directory has changed. */
export function pinEngine(
  engine: Engine,
  resource: string,
  acquire: (request: AcquireRequest) => Promise<Grant | null> = (request) => engine.acquire(resource, request),
): Engine {
  const query = (_name: string, signal?: AbortSignal): Promise<EngineSnapshot> => engine.query(resource, signal)
  return {
    name: engine.name,
    capabilities: engine.capabilities,
    acquire: (_name, request) => acquire(request),
    query,
    resolve: () => resource,
    makeParents: () => engine.makeParents?.(resource),
    placesInUse: () => engine.placesInUse?.(),
  }
}
