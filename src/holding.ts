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

/** What a body holds. Its locks become undefined: work that the body started keeps this object alive, but must not keep the locks alive. */
export interface Holding extends HoldingFacts {
  /** The lock object that was passed to the body. Undefined once the body has ended. */
  lock: Lock | undefined
  /**
   * The lock that was acquired: the same object, except in a nested call, which has a lock object of its own (calls/nested.ts). Undefined once the body and the nested calls
   * that run under its locks have ended.
   */
  acquired: Lock | undefined
  /** Undefined if the call acquired the lock itself. */
  readonly nesting: Nesting | undefined
  /** All that the body holds, if that is several locks. */
  set: readonly Holding[] | undefined
  /** How many nested calls run under the lock, if it was acquired here. */
  nestedCalls: number
  /** Called when the last nested call has ended. */
  onNestedEnd: (() => void) | undefined
}

/** That a nested call runs under a lock, or is about to. */
export interface Nesting {
  /** The holding of the call that acquired the lock, and releases it once the nested call has ended. */
  readonly owner: Holding
  /** Whether the nested call has ended, or no longer needs the lock. */
  isOver: boolean
}

interface HoldingFacts {
  readonly engine: Engine
  /** The name that `engine.resolve` returns. */
  readonly resource: string
  /** What the calling code holds. */
  outer: Holding | undefined
}

/** @param around for a nested call: the lock that was acquired. */
export function createHolding(
  { engine, resource, outer }: HoldingFacts,
  lock: Lock,
  { acquired, nesting }: { readonly acquired: Lock; readonly nesting?: Nesting } = { acquired: lock },
): Holding {
  return {
    engine,
    resource,
    outer,
    lock,
    acquired,
    nesting,
    set: undefined,
    nestedCalls: 0,
    onNestedEnd: undefined,
  }
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

/**
 * The claims with which the lock is held by calls that end only after the running code: it was called from their bodies, or from nested calls that run under one of
 * their locks.
 */
export function claimsOf(inner: Holding | undefined, engine: Engine, resource: string): Claim[] {
  const running: Holding[] = []
  for (let holding = inner; holding !== undefined; holding = holding.outer) {
    if (holding.lock !== undefined) running.push(holding)
  }
  return claimsKeptBy(running, engine, resource)
}

/** The claims with which these calls hold the lock, and the calls that release nothing before these have ended. */
export function claimsKeptBy(calls: readonly Holding[], engine: Engine, resource: string): Claim[] {
  const kept = new Set(calls)
  const claims: Claim[] = []
  // The loop also goes through what it adds.
  for (const holding of kept) {
    const { acquired, nesting, set = [] } = holding
    // A call releases its locks all together.
    for (const other of set) kept.add(other)
    if (nesting !== undefined) {
      if (!nesting.isOver) kept.add(nesting.owner)
    } else if (acquired !== undefined && isOf(holding, engine, resource) && acquired.held) claims.push(acquired.claim)
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
  return holding.lock !== undefined && isOf(holding, engine, resource) && holding.lock.held
}

function isOf(holding: HoldingFacts, engine: Engine, resource: string): boolean {
  return isSameSpace(engine, holding.engine) && isSame(engine, holding.resource, resource)
}

function isSameSpace(one: Engine, other: Engine): boolean {
  return one === other || (one.space !== undefined && one.space === other.space)
}

function isSame(engine: Engine, one: string, other: string): boolean {
  return one === other || engine.isSame?.(one, other) === true
}

/** Calls the body. Must be followed by {@link endBody}, once its result has settled or when it has thrown. */
export function callBody<T>(holdings: readonly Holding[], body: () => T): T {
  if (holdings.length > 1) for (const holding of holdings) holding.set = holdings
  storage ??= new (process.getBuiltinModule('node:async_hooks').AsyncLocalStorage)<Holding>()
  bodies += 1
  return storage.run(holdings.at(-1)!, body)
}

/** Must be followed by {@link forgetLocks}, once the nested calls have ended, too. */
export function endBody(holdings: readonly Holding[]): void {
  for (const holding of holdings) holding.lock = undefined
  bodies -= 1
  if (bodies === 0) timer ??= setTimeout(stopIfUnused, LINGER_MS).unref()
}

/** Must be called once the body and the nested calls have ended: the locks are about to be released. */
export function forgetLocks(holdings: readonly Holding[]): void {
  for (const holding of holdings) holding.acquired = undefined
}

/** Counts a nested call under the lock that `owner` has acquired. Must be followed by {@link leaveNested}. */
export function enterNested(owner: Holding): Nesting {
  owner.nestedCalls += 1
  return { owner, isOver: false }
}

/** Counts a nested call as ended. Idempotent. */
export function leaveNested(nesting: Nesting): void {
  if (nesting.isOver) return
  nesting.isOver = true
  const { owner } = nesting
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
