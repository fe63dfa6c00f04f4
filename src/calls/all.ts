/**
 * `slocket.all`: acquires several locks at once.
 *
 *  1. All callers acquire locks one after the other in the same order, whatever names they use. So no two of them wait for each other.
 *  2. Either all are held, or none: locks that were acquired are released before the call rejects.
 *  3. A nested call (nested.ts) that has to wait for a lock that a call around holds does not keep that call from ending: it gives up what it has, and begins again.
 */
import { outlookOf } from '../core/deadlock.ts'
import { debug } from '../debug.ts'
import type { Holding } from '../holding.ts'
import { claimsKeptBy, claimsOf, leaveNested } from '../holding.ts'
import type { Lock } from '../lock.ts'
import type { Asked } from '../options.ts'
import { monotonicNowMs, nextTurn } from '../real-time.ts'
import type { Engine } from '../requests/engine.ts'
import { onAbort } from '../requests/on-abort.ts'
import { acquireFor } from './acquire-for.ts'
import type { Acquire, BodyRequest } from './acquire-for.ts'
import { makeParentsOf } from './parents.ts'
import type { LockSet } from './lock-set.ts'
import { createLockSet } from './lock-set.ts'
import type { Reservation } from './nested.ts'
import { enter, holdAtLeast, reserve } from './nested.ts'
import { runUnder } from './run-under.ts'

/** A call that asks for several locks. */
interface SetRequest {
  readonly engine: Engine
  readonly paths: readonly string[]
  readonly asked: Asked
  /** What the calling code holds, if the locks are for a body. */
  readonly outer: Holding | undefined
  readonly acquire: Acquire
}

/** A call's request for one of them. */
type OneRequest = BodyRequest & { readonly acquire: Acquire }

/** A lock of the set. */
interface Wanted {
  readonly path: string
  readonly resource: string
  /** See `Engine.orderKey`. */
  readonly key: string
}

interface Taken {
  readonly wanted: Wanted
  readonly lock: Lock
  readonly holding: Holding
}

/** Acquires all of them. */
export async function acquireAll(request: SetRequest): Promise<LockSet> {
  return (await takeAll(request)).set
}

/** Runs `body` under all of them. */
export async function runUnderAll<T>(request: SetRequest, body: (locks: LockSet) => T | Promise<T>): Promise<T> {
  const { set, taken } = await takeAll(request)
  const possession = { holdings: taken.map(({ holding }) => holding), locks: taken.map(({ lock }) => lock) }
  return await runUnder(possession, () => body(set))
}

async function takeAll(request: SetRequest): Promise<{ readonly set: LockSet; readonly taken: readonly Taken[] }> {
  const { engine, asked } = request
  let wanted: readonly Wanted[]
  try {
    // Checked before the paths, whose directories may be missing.
    asked.signal?.throwIfAborted()
    wanted = request.paths.map((path) => {
      makeParentsOf(path, engine, asked)
      return wantedOf(engine, path)
    })
  } catch (error) {
    // As every refusal does: see event-loop.ts.
    await nextTurn()
    throw error
  }
  const order = inOrder(wanted)
  checkPlaces(engine, order.length)
  const deadlineMs = asked.timeoutMs === undefined ? undefined : monotonicNowMs() + asked.timeoutMs
  // Ends the waits if the caller's signal aborts, or if a lock that was already acquired is lost.
  const watch = watchSignals()
  if (asked.signal !== undefined) watch.add(asked.signal)
  try {
    // Bound: it begins again only if the body of a call around has ended meanwhile; from then on, it isn't nested in that call.
    for (;;) {
      const all = await takeEach(request, order, { deadlineMs, watch })
      if (all !== undefined) {
        const { taken, lockOf } = all
        const locks = wanted.map(({ key }) => lockOf.get(key)!)
        const set = createLockSet(
          locks,
          taken.map(({ lock }) => lock),
        )
        return { set, taken }
      }
      debug('%s: begins again, for a call around to end', order[0]?.path)
    }
  } finally {
    watch.stop()
  }
}

/** What ends a call's waits. */
interface Limits {
  readonly deadlineMs: number | undefined
  readonly watch: SignalWatch
}

interface TakenSet {
  /** In the order in which they were acquired. */
  readonly taken: readonly Taken[]
  /** By their keys. */
  readonly lockOf: ReadonlyMap<string, Lock>
}

/** Takes the locks one after the other. Resolves with undefined if it has to begin again: then it holds nothing. */
async function takeEach(
  request: SetRequest,
  order: readonly Wanted[],
  { deadlineMs, watch }: Limits,
): Promise<TakenSet | undefined> {
  const { engine, asked } = request
  const taken: Taken[] = []
  const lockOf = new Map<string, Lock>()
  // All at once: the body around may end while this call waits for another lock, and would wait for this call with what this call wants.
  const reserved = reserveAll(request, order)
  let isDone = false
  try {
    for (const next of order) {
      let last = taken.at(-1)
      // On a file system that ignores case, two names of one lock follow each other.
      if (last === undefined || engine.isSame?.(last.wanted.resource, next.resource) !== true) {
        const timeoutMs = deadlineMs === undefined ? undefined : Math.ceil(Math.max(0, deadlineMs - monotonicNowMs()))
        const outer = last?.holding ?? request.outer
        const askedNext = { ...asked, timeoutMs, limitMs: asked.timeoutMs, signal: watch.signal }
        const one = requestFor(request, next, askedNext)
        const reservation = reserved.get(next)
        reserved.delete(next)
        const nested = reservation === undefined ? undefined : await enter(one, reservation)
        if (nested === undefined && waitsForItself(one, keptBy(taken, reserved))) return undefined
        const { lock, holding } = nested ?? (await acquireFor(one))
        holding.outer = outer
        last = { wanted: next, lock, holding }
        taken.push(last)
        watch.add(lock.lossSignal)
      }
      lockOf.set(next.key, last.lock)
    }
    // A loss that no timer has reported yet.
    for (const { lock } of taken) if (lock.loss !== undefined) throw lock.loss
    for (const { holding } of taken) holdAtLeast(holding, asked)
    isDone = true
    return { taken, lockOf }
  } finally {
    if (!isDone) await releaseTaken(taken)
    for (const { nesting } of reserved.values()) leaveNested(nesting)
  }
}

/** The calls around that end only after this call, even if their bodies have ended. */
function keptBy(taken: readonly Taken[], reserved: ReadonlyMap<Wanted, Reservation>): Holding[] {
  const nestings = [...taken.map(({ holding }) => holding.nesting), ...[...reserved.values()].map((one) => one.nesting)]
  return nestings.flatMap((nesting) => nesting?.owner ?? [])
}

/**
 * Whether the call would wait for its own end if it asked for the lock now: calls that it keeps hold the lock. If the body of such a call has not ended, that is a matter
 * of `acquire`, which refuses the request.
 *
 * The answer holds for the whole wait: meanwhile this call keeps no further calls, and these acquire no further locks.
 */
function waitsForItself({ engine, resource, asked, outer }: OneRequest, kept: readonly Holding[]): boolean {
  if (kept.length === 0 || outlookOf(asked.claim, claimsOf(outer, engine, resource)) !== 'open') return false
  return outlookOf(asked.claim, claimsKeptBy(kept, engine, resource)) !== 'open'
}

/** Counts the call as nested for each lock of the set that the calling code holds. */
function reserveAll(request: SetRequest, order: readonly Wanted[]): Map<Wanted, Reservation> {
  const reserved = new Map<Wanted, Reservation>()
  if (!request.asked.isReentrant) return reserved
  for (const wanted of order) {
    const reservation = reserve(requestFor(request, wanted, request.asked))
    if (reservation !== undefined) reserved.set(wanted, reservation)
  }
  return reserved
}

function requestFor({ engine, outer, acquire }: SetRequest, { path, resource }: Wanted, asked: Asked): OneRequest {
  return { engine, path, resource, asked, outer, acquire }
}

/** @throws what the engine throws when it resolves the path. */
function wantedOf(engine: Engine, path: string): Wanted {
  const resource = engine.resolve?.(path) ?? path
  return { path, resource, key: engine.orderKey?.(resource) ?? resource }
}

/** Returns each lock once, under the name that comes first. */
function inOrder(wanted: readonly Wanted[]): Wanted[] {
  const distinct = new Map<string, Wanted>()
  for (const one of wanted) if (!distinct.has(one.key)) distinct.set(one.key, one)
  return [...distinct.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** Refuses a set that needs more places than the engine has: it would wait for places that only it could release. */
function checkPlaces(engine: Engine, count: number): void {
  const { places = Infinity } = engine.capabilities
  if (count <= places) return
  throw new RangeError(
    `paths must name at most ${places} locks, not ${count}: the engine has no room for more at a time`,
  )
}

async function releaseTaken(taken: readonly Taken[]): Promise<void> {
  const releases = taken.toReversed().map(async ({ lock }) => {
    await lock.releaseNow().catch((failure: unknown) => debug('%s: release: %s', lock.name, failure))
  })
  await Promise.all(releases)
}

interface SignalWatch {
  /** Aborts with the reason of the first signal that aborts. */
  readonly signal: AbortSignal
  add(signal: AbortSignal): void
  stop(): void
}

function watchSignals(): SignalWatch {
  const controller = new AbortController()
  const stops: (() => void)[] = []
  return {
    signal: controller.signal,
    add(signal) {
      if (signal.aborted) controller.abort(signal.reason)
      else stops.push(onAbort(signal, () => controller.abort(signal.reason)))
    },
    stop() {
      for (const stop of stops) stop()
    },
  }
}
