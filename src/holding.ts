/**
 * The locks that the running code holds by `slocket.with()`: those of the bodies that it was called from, directly or by way of
 * promises, timers and callbacks.
 *
 * The asynchronous context costs: before Node 24 each promise of the program takes about twice as long while it is in use (200 ns more,
 * measured on Node 20.20). So it is used from the first body on, and until a second after the last one.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import type { Engine } from './contract/engine.ts'
import type { Claim } from './core/claim.ts'
import type { Lock } from './lock.ts'
import { setTimeout } from './real-time.ts'

/** What a body holds. */
export interface Holding {
  readonly engine: Engine
  /** By the name that `engine.resolve` gives. */
  readonly resource: string
  readonly claim: Claim
  readonly lock: Lock
  /** What the code around holds. */
  readonly outer: Holding | undefined
}

/** How long the context stays in use after the last body has ended, in ms: to start and to stop it costs more than a body. */
const LINGER_MS = 1000

let storage: AsyncLocalStorage<Holding> | undefined
let bodies = 0
let timer: NodeJS.Timeout | undefined

/** Of the innermost body that the running code was called from; it may have ended by now. */
export function currentHolding(): Holding | undefined {
  return storage?.getStore()
}

/** The claims by which the bodies that the running code was called from hold the lock. */
export function claimsOf(inner: Holding | undefined, engine: Engine, resource: string): Claim[] {
  const claims: Claim[] = []
  for (let holding = inner; holding !== undefined; holding = holding.outer) {
    if (holding.engine !== engine || !isSame(engine, holding.resource, resource)) continue
    // A body that has ended, or has released its lock, holds up nobody.
    if (holding.lock.held) claims.push(holding.claim)
  }
  return claims
}

function isSame(engine: Engine, one: string, other: string): boolean {
  return one === other || engine.isSame?.(one, other) === true
}

/** Calls the body. To be followed by {@link endBody}, once what it gives has settled, or when it has thrown. */
export function callBody<T>(holding: Holding, body: (lock: Lock) => T): T {
  storage ??= new (process.getBuiltinModule('node:async_hooks').AsyncLocalStorage)<Holding>()
  bodies += 1
  return storage.run(holding, body, holding.lock)
}

export function endBody(): void {
  bodies -= 1
  if (bodies === 0) timer ??= setTimeout(stopIfUnused, LINGER_MS).unref()
}

function stopIfUnused(): void {
  timer = undefined
  if (bodies === 0) storage?.disable()
}
