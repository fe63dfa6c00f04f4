/**
 * Tracks the locks that the running code holds through `slocket.with()`: those of the bodies that it was called from, directly or through
 * promises, timers and callbacks.
 *
 * The asynchronous context costs: before Node 24 each promise of the program takes about twice as long while it is in use (200 ns more,
 * measured on Node 20.20). So it is used from the first body on, and until a second after the last one.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import type { Engine } from './requests/engine.ts'
import type { Claim } from './core/claim.ts'
import { covers } from './core/claim.ts'
import type { Lock } from './lock.ts'
import { setTimeout } from './real-time.ts'

/** What a body holds. Once the body has ended, its locks are undefined: work that it started keeps this object alive, but must not keep the locks alive. */
export interface Holding extends HoldingFacts {
  /** The lock object that was passed to the body. */
  lock: Lock | undefined
  /** The lock that was acquired: the same object, except in a nested call, which has a lock object of its own (calls/nested.ts). */
  acquired: Lock | undefined
  /** For a nested call: the call that acquired the lock and will release it. */
  readonly owner: Holding | undefined
  /** How many nested calls run under the lock, if it was acquired here. */
  nestedCalls: number
  /** Called when the last nested call has ended. */
  onNestedEnd: (() => void) | undefined
}

interface HoldingFacts {
  readonly engine: Engine
  /** The name that `engine.resolve` returns. */
  readonly resource: string
  /** What the calling code holds. */
  outer: Holding | undefined
}

/** @param around for a nested call: the lock that was acquired, and the holding of the call that did. */
export function createHolding(
  { engine, resource, outer }: HoldingFacts,
  lock: Lock,
  { acquired, owner }: { readonly acquired: Lock; readonly owner?: Holding } = { acquired: lock },
): Holding {
  return { engine, resource, outer, lock, acquired, owner, nestedCalls: 0, onNestedEnd: undefined }
}

/** How long the context stays in use after the last body has ended, in ms: starting and stopping it costs more than a body. */
const LINGER_MS = 1000

let storage: AsyncLocalStorage<Holding> | undefined
let bodies = 0
let timer: NodeJS.Timeout | undefined

/** The holding of the innermost body that the running code was called from and that has not ended. */
export function currentHolding(): Holding | undefined {
  const inner = storage?.getStore()
  // A body may start the next one without waiting for it, again and again: holdings of ended bodies must not be kept alive.
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

/** The claims with which the bodies that the running code was called from hold the lock. */
export function claimsOf(inner: Holding | undefined, engine: Engine, resource: string): Claim[] {
  const acquired: (Lock | undefined)[] = []
  const claims: Claim[] = []
  for (let holding = inner; holding !== undefined; holding = holding.outer) {
    // A nested call holds only the lock of the call around it.
    if (!holds(holding, engine, resource) || acquired.includes(holding.acquired)) continue
    acquired.push(holding.acquired)
    claims.push(holding.acquired!.claim)
  }
  return claims
}

/** The holding of the innermost body that the running code was called from and that holds the lock with a claim that covers `asked`. */
export function holdingThatCovers(
  inner: Holding | undefined,
  engine: Engine,
  resource: string,
  asked: Claim,
): Holding | undefined {
  for (let holding = inner; holding !== undefined; holding = holding.outer) {
    const claim = holding.acquired?.claim
    if (claim !== undefined && covers(claim, asked) && holds(holding, engine, resource)) return holding
  }
  return undefined
}

/** False if the body has released its lock. */
function holds(holding: Holding, engine: Engine, resource: string): boolean {
  if (holding.lock === undefined) return false
  return isSameSpace(engine, holding.engine) && isSame(engine, holding.resource, resource) && holding.lock.held
}

function isSameSpace(one: Engine, other: Engine): boolean {
  return one === other || (one.space !== undefined && one.space === other.space)
}

function isSame(engine: Engine, one: string, other: string): boolean {
  return one === other || engine.isSame?.(one, other) === true
}

/** Calls the body. Must be followed by {@link endBody}, once its result has settled or when it has thrown. */
export function callBody<T>(holdings: readonly Holding[], body: () => T): T {
  storage ??= new (process.getBuiltinModule('node:async_hooks').AsyncLocalStorage)<Holding>()
  bodies += 1
  return storage.run(holdings.at(-1)!, body)
}

export function endBody(holdings: readonly Holding[]): void {
  for (const holding of holdings) {
    holding.lock = undefined
    holding.acquired = undefined
  }
  bodies -= 1
  if (bodies === 0) timer ??= setTimeout(stopIfUnused, LINGER_MS).unref()
}

/** Counts a nested call under the lock that `owner` has acquired. Must be followed by {@link leaveNested}. */
export function enterNested(owner: Holding): void {
  owner.nestedCalls += 1
}

/** Counts a nested call as ended. */
export function leaveNested(owner: Holding): void {
  owner.nestedCalls -= 1
  if (owner.nestedCalls === 0) owner.onNestedEnd?.()
}

/** Resolves when the nested calls that run under these have ended. Undefined if there are none. Must be called after the body has ended. */
export function nestedEnd(holdings: readonly Holding[]): Promise<unknown> | undefined {
  const busy = holdings.filter(({ nestedCalls }) => nestedCalls > 0)
  if (busy.length === 0) return undefined
  return Promise.all(busy.map((holding) => new Promise<void>((resolve) => (holding.onNestedEnd = resolve))))
}

function stopIfUnused(): void {
  timer = undefined
  if (bodies === 0) storage?.disable()
}
