/**
 * The locks that the running code holds by `slocket.with()`: those of the bodies that it was called from, directly or by way of
 * promises, timers and callbacks.
 *
 * The asynchronous context costs: before Node 24 each promise of the program takes about twice as long while it is in use (200 ns more,
 * measured on Node 20.20). So it is used from the first body on, and until a second after the last one.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import type { Engine } from './requests/engine.ts'
import type { Claim } from './core/claim.ts'
import type { Lock } from './lock.ts'
import { setTimeout } from './real-time.ts'

/** What a body holds. */
export interface Holding {
  readonly engine: Engine
  /** By the name that `engine.resolve` gives. */
  readonly resource: string
  readonly claim: Claim
  /** Undefined once the body has ended: whatever the body has started keeps this object, and must not keep the lock. */
  lock: Lock | undefined
  /** What the code around holds. */
  outer: Holding | undefined
}

/** How long the context stays in use after the last body has ended, in ms: to start and to stop it costs more than a body. */
const LINGER_MS = 1000

let storage: AsyncLocalStorage<Holding> | undefined
let bodies = 0
let timer: NodeJS.Timeout | undefined

/** Of the innermost body that the running code was called from, and that has not ended. */
export function currentHolding(): Holding | undefined {
  const inner = storage?.getStore()
  // A body may start the next one without waiting for it, again and again: those that have ended must not be kept.
  let next: Holding | undefined
  for (let holding = inner; holding !== undefined; holding = next) {
    next = holding.outer
    holding.outer = unended(next)
  }
  return unended(inner)
}

function unended(inner: Holding | undefined): Holding | undefined {
  let holding = inner
  while (holding !== undefined && holding.lock === undefined) holding = holding.outer
  return holding
}

/** The claims by which the bodies that the running code was called from hold the lock. */
export function claimsOf(inner: Holding | undefined, engine: Engine, resource: string): Claim[] {
  const claims: Claim[] = []
  for (let holding = inner; holding !== undefined; holding = holding.outer) {
    if (!isSameSpace(engine, holding.engine) || !isSame(engine, holding.resource, resource)) continue
    // A body that has released its lock holds up nobody.
    if (holding.lock?.held === true) claims.push(holding.claim)
  }
  return claims
}

function isSameSpace(one: Engine, other: Engine): boolean {
  return one === other || (one.space !== undefined && one.space === other.space)
}

function isSame(engine: Engine, one: string, other: string): boolean {
  return one === other || engine.isSame?.(one, other) === true
}

/** Calls the body. To be followed by {@link endBody}, once what it gives has settled, or when it has thrown. */
export function callBody<T>(holding: Holding, lock: Lock, body: (lock: Lock) => T): T {
  storage ??= new (process.getBuiltinModule('node:async_hooks').AsyncLocalStorage)<Holding>()
  bodies += 1
  return storage.run(holding, body, lock)
}

export function endBody(holding: Holding): void {
  holding.lock = undefined
  bodies -= 1
  if (bodies === 0) timer ??= setTimeout(stopIfUnused, LINGER_MS).unref()
}

function stopIfUnused(): void {
  timer = undefined
  if (bodies === 0) storage?.disable()
}
