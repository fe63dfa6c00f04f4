/** Acquires a lock for a body. */
import type { Claim } from '../core/claim.ts'
import type { Holding } from '../holding.ts'
import { claimsOf, createHolding } from '../holding.ts'
import type { Lock } from '../lock.ts'
import type { Asked } from '../options.ts'
import type { Engine } from '../requests/engine.ts'
import { pinEngine } from './pinned-engine.ts'

/** Acquires one lock. `own`: what the caller has in the queue itself, and does not give back while it waits. */
export type Acquire = (path: string, asked: Asked, own: readonly Claim[]) => Promise<Lock>

/** A call that runs a body under a lock. */
export interface BodyRequest {
  readonly engine: Engine
  /** The path, as it was given. */
  readonly path: string
  /** By the name that `engine.resolve` gives. */
  readonly resource: string
  readonly asked: Asked
  /** What the code around holds. */
  readonly outer: Holding | undefined
}

/** Acquires the lock, by the name that it had at the call. */
export async function acquireFor({
  engine,
  path,
  resource,
  asked,
  outer,
  acquire,
}: BodyRequest & { readonly acquire: Acquire }): Promise<{ readonly lock: Lock; readonly holding: Holding }> {
  const own = outer === undefined ? [] : claimsOf(outer, engine, resource)
  const lock = await acquire(path, { ...asked, engine: resource === path ? engine : pinEngine(engine, resource) }, own)
  return { lock, holding: createHolding({ engine, resource, outer }, lock) }
}
