/** `slocket.sync`: what is asked, and what comes of it. */
import { parsePath } from '../requests/arguments.ts'
import { isExiting } from '../requests/exiting.ts'
import { withdrawAllKept } from '../requests/kept-tickets.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import type { Claim } from '../core/claim.ts'
import { isObserved } from '../diagnostics.ts'
import { observeSync, publishNotices, traceOf } from '../lock-traces.ts'
import { SlocketError } from '../errors.ts'
import type { Asked, SyncOptions } from '../options.ts'
import { callOptions, parseOptions, refuseTake } from '../options.ts'
import type { Answer, Place } from './messages.ts'
import type { ImmediateEngine } from './own-thread.ts'
import { acquireHere } from './own-thread.ts'
import { fromPlain } from './plain-error.ts'
import { askWorker } from './worker.ts'
import { SyncLock } from './sync-lock.ts'
import { callOnWait } from '../wait-notices.ts'

const MEANINGLESS = {
  signal: 'nothing can abort a blocked thread',
  engine: 'it takes local locks only',
  slice: 'it blocks until the lock is held, and releases it at once',
  atLeast: 'it releases the lock at once; use slocket()',
  reentrant: 'only slocket.with() knows what its caller holds',
}
const SYNC = callOptions('slocket.sync()', MEANINGLESS)
const LOCK_SYNC = callOptions('lockSync()', MEANINGLESS)

/** What is used here of the local engine. */
export interface LocalLocks {
  /** The engine of this thread for an access. */
  localFor(access: LockAccess | undefined): ImmediateEngine
  /** The absolute path. @throws ERR_SLOCKET_NO_PARENT if the working directory is gone. */
  resolvePath(path: string): string
  /** What this thread has in the queue of a lock by its own event loop. */
  claimsOfThisThread(path: string): readonly Claim[]
}

/** A call that blocks. */
interface SyncRequest {
  /** The path, as it was given. */
  readonly name: string
  readonly place: Place
  readonly engine: ImmediateEngine
  readonly options: SyncOptions
  /** The same options, checked. */
  readonly asked: Asked
  /** False: null if it is not free. */
  readonly wait: boolean
  /** What this thread has in the queue by its own event loop. */
  readonly own: readonly Claim[]
}

/** Acquires a lock for `slocket.sync`. */
export function acquireSync(locks: LocalLocks, given: string | URL, options: SyncOptions = {}): SyncLock {
  const name = parsePath(given)
  const asked = parseOptions(options, SYNC)
  // Now: another thread may change the working directory before the worker has seen the path.
  const path = locks.resolvePath(name)
  withdrawAllKept()
  const own = asked.timeoutMs === 0 ? [] : locks.claimsOfThisThread(path)
  // A request that waits is never refused.
  const place = { path, mkdirStaleMs: undefined }
  const engine = locks.localFor(asked.access)
  refuseTake(asked, engine)
  if (asked.parents) engine.makeParents?.(path)
  return acquire({ name, place, engine, options, asked, wait: true, own }) as SyncLock
}

/** Acquires a lock beside another tool's, as `localBesideMkdir` has it, and releases it without a linger. Null if it isn't free. */
export function trySync(place: Place, engine: ImmediateEngine): SyncLock | null {
  parsePath(place.path)
  withdrawAllKept()
  const options = { linger: 0 }
  const asked = parseOptions(options, LOCK_SYNC)
  return acquire({ name: place.path, place, engine, options, asked, wait: false, own: [] })
}

/** Whether somebody holds it. */
export function isLockedSync(place: Place): boolean {
  parsePath(place.path)
  withdrawAllKept()
  return askWorker({ do: 'query', ...place }, (answer) => {
    if (answer.kind === 'locked') return answer.isLocked
    throw failureOf(answer)
  })
}

function acquire(request: SyncRequest): SyncLock | null {
  const { name, asked, wait } = request
  if (!isObserved()) return acquireUnseen(request)
  const trace = traceOf(name, asked, !wait)
  const seen = { ...request, asked: { ...asked, onWait: publishNotices(trace, asked.onWait) } }
  return observeSync(trace, () => acquireUnseen(seen))
}

function acquireUnseen(request: SyncRequest): SyncLock | null {
  const { name, place, engine, asked } = request
  return acquireHere(engine, place.path, name, asked) ?? acquireByWorker(request)
}

function acquireByWorker({ name, place, options, asked: { claim, onWait }, wait, own }: SyncRequest): SyncLock | null {
  const { mode, permits, take, timeout, waitNoticeAfter, label, linger = isExiting() ? 0 : undefined, access } = options
  const asked = { mode, permits, take, timeout, waitNoticeAfter, label, linger, access }
  const isNoticed = onWait !== undefined
  return askWorker(
    { do: 'acquire', ...place, options: asked, claim, wait, isNoticed, own },
    (answer, worker, id) => {
      if (answer.kind === 'busy') return null
      if (answer.kind !== 'held') throw failureOf(answer, name)
      const lock = new SyncLock(name, answer.held, worker, id)
      worker.add(lock)
      return lock
    },
    // In this thread, while it blocks.
    isNoticed ? (notice) => callOnWait(onWait, notice) : undefined,
  )
}

function failureOf(answer: Answer, name?: string): Error {
  if (answer.kind === 'error') return fromPlain(answer.error, name)
  return new SlocketError('ERR_SLOCKET_SYSTEM', `the thread that waits gave an answer of another kind: ${answer.kind}`)
}
