/** Acquires a lock for a body. */
import type { Claim } from '../core/claim.ts'
import type { Holding } from '../holding.ts'
import { claimsOf, createHolding } from '../holding.ts'
import type { Lock } from '../lock.ts'
import type { Asked } from '../options.ts'
import type { Engine } from '../requests/engine.ts'
import { pinEngine } from './pinned-engine.ts'

/** Acquires one lock. `own`: the claims that the caller itself has in the queue and does not release while it waits. */
export type Acquire = (path: string, asked: Asked, own: readonly Claim[]) => Promise<Lock>

/** A call that runs a body under a lock. */
export interface BodyRequest {
  readonly engine: Engine
  /** The path as the caller passed it. */
  readonly path: string
  /** The name that `engine.resolve` returns. */
  readonly resource: string
  readonly asked: Asked
  /** What the calling code holds. */
  readonly outer: Holding | undefined
}

/** Acquires the lock under the name that it had at the call. */
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
