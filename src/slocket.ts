/** The API: `slocket(path)` and its relatives, for any engine. */
import { acquireInTurn, acquireOnce } from './acquire.ts'
import { breakLock } from './break-lock.ts'
import { parsePath } from './requests/arguments.ts'
import type { Engine } from './requests/engine.ts'
import type { LockAccess } from './requests/lock-access.ts'
import type { Claim } from './core/claim.ts'
import { adviceFor } from './core/deadlock.ts'
import { isObserved } from './diagnostics.ts'
import { observe, publishNotices, traceOf } from './lock-traces.ts'
import { SlocketError } from './errors.ts'
import { acquireAll, runUnderAll } from './calls/all.ts'
import { lead } from './calls/lead.ts'
import type { LockSet, SlocketAll } from './calls/lock-set.ts'
import { runReentrant } from './calls/nested.ts'
import { makeParentsOf } from './calls/parents.ts'
import { runUnder } from './calls/run-under.ts'
import { claimsOf, createHolding, currentHolding } from './holding.ts'
import type { Lock } from './lock.ts'
import { toSnapshot } from './lock-request.ts'
import type { LockRequest, LockSnapshot } from './lock-state.ts'
import type {
  Asked,
  BreakOptions,
  LeadOptions,
  QueryOptions,
  SlocketOptions,
  SyncOptions,
  TryOptions,
  WithOptions,
} from './options.ts'
import { callOptions, parseFunction, parseOptions, parsePaths, refuseTake } from './options.ts'
import type { SyncLock } from './sync/sync-lock.ts'
import { nextTick, nextTurn } from './real-time.ts'

/** Called exactly once, with an error, or with `null` and the lock. */
export type LockCallback = (error: unknown, lock?: Lock) => void

export type { LockRequest, LockSnapshot }

/** The function that the package exports, and its relatives. */
export interface Slocket {
  /**
   * Acquires the lock at `path`, and waits for its turn if necessary: first come, first served, among all processes and threads of this machine.
   * Waiting keeps the process alive; holding does not.
   *
   * If the holder crashes, the next waiter gets the lock within milliseconds. If the wait is aborted, the promise rejects with
   * `options.signal.reason`; after `options.timeout`, with ERR_SLOCKET_TIMEOUT. If it rejects, you don't hold the lock.
   *
   * While the call waits, `options.onWait` is called with the current holders. Two process warnings report a wait that may never end: SLOCKET_SELF_WAIT after 5 seconds without a `timeout` if this process has held the same
   * lock all the time, and SLOCKET_OBSTACLE after one second if something at the path looks like the lock of another program.
   *
   * ```js
   * const lock = await slocket('/tmp/deploy.lock')
   * try { await deploy() } finally { await lock.release() }
   * ```
   *
   * @param path any path whose parent directory exists, used for this lock only: not the file that you protect, but a path next to it, such as
   * `data.json.lock` (`lockPathFor(file)` returns one). slocket creates a directory there, and removes it when nobody uses it. A `file:` URL stands for its path.
   * @param options see {@link SlocketOptions}.
   * @throws TypeError, RangeError for wrong arguments; ERR_SLOCKET_TIMEOUT, with `timeout: 0` also ERR_SLOCKET_DEAD_SOCKET;
   * ERR_SLOCKET_CLAIM_MISMATCH, ERR_SLOCKET_NO_PARENT,
   * ERR_SLOCKET_NOT_A_LOCK, ERR_SLOCKET_PERMISSION, ERR_SLOCKET_READ_ONLY, ERR_SLOCKET_RESOURCES, ERR_SLOCKET_PATH_TOO_LONG,
   * ERR_SLOCKET_NETWORK_FILE_SYSTEM, ERR_SLOCKET_OTHER_KERNEL, ERR_SLOCKET_OTHER_MOUNT, ERR_SLOCKET_NO_SOCKETS,
   * ERR_SLOCKET_UNSUPPORTED_PLATFORM, ERR_SLOCKET_SYSTEM; with an engine for a server, also ERR_SLOCKET_NO_CLIENT, ERR_SLOCKET_UNREACHABLE,
   * ERR_SLOCKET_POOLER.
   */
  (path: string | URL, options?: SlocketOptions): Promise<Lock>
  /**
   * Acquires the lock at `path` and calls `callback` with it. Same as the call without a callback, except for how the result is delivered:
   * `callback` is called exactly once, and never before this call returns. Wrong arguments throw.
   */
  (path: string | URL, callback: LockCallback): void
  /**
   * Acquires the lock at `path` and calls `callback` with it. Same as the call without a callback, except for how the result is delivered:
   * `callback` is called exactly once, and never before this call returns. Wrong arguments throw.
   */
  (path: string | URL, options: SlocketOptions | undefined, callback: LockCallback): void
  /**
   * Acquires the lock only if it is free. Resolves with `null` if the lock is held, if others are already waiting, or if something at the path
   * looks like the lock of another program; `slocket.query` says which.
   *
   * It can take some milliseconds, since it may have to find out whether the holder is still alive.
   *
   * ```js
   * const lock = await slocket.try('/tmp/backup.lock')
   * if (lock === null) console.log('a backup is already running')
   * ```
   *
   * @throws the errors of `slocket()` with `timeout: 0`, except ERR_SLOCKET_TIMEOUT.
   */
  try(path: string | URL, options?: TryOptions): Promise<Lock | null>
  /**
   * Acquires the lock, calls `body`, releases the lock whether `body` succeeds or fails, and resolves with the result of `body`.
   *
   * If the lock is lost while `body` runs, `lock.signal` aborts, and the call rejects with ERR_SLOCKET_LOST once `body` has ended: `error.result` is
   * the result of `body`, `error.cause` the reason. If `body` fails, the call rejects with the error of `body` instead.
   *
   * A call from the `body` of another `slocket.with()` that holds the same lock rejects with ERR_SLOCKET_DEADLOCK if it would wait forever. Work
   * that `body` starts but does not wait for can use `slocket()`.
   *
   * ```js
   * const total = await slocket.with('/tmp/ledger.lock', async () => addUp(await readLedger()))
   * ```
   *
   * @throws the errors of `slocket()`; whatever `body` throws; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_LOST, ERR_SLOCKET_NOT_RELEASED.
   */
  with<T>(path: string | URL, body: (lock: Lock) => T | Promise<T>): Promise<T>
  /**
   * Acquires the lock, calls `body`, releases the lock whether `body` succeeds or fails, and resolves with the result of `body`.
   *
   * If the lock is lost while `body` runs, `lock.signal` aborts, and the call rejects with ERR_SLOCKET_LOST once `body` has ended. A call from the
   * `body` of another `slocket.with()` that holds the same lock rejects with ERR_SLOCKET_DEADLOCK if it would wait forever.
   *
   * ```js
   * await slocket.with('/tmp/ledger.lock', { timeout: 5000 }, async (lock) => {
   *   lock.assertHeld()
   *   await writeLedger()
   * })
   * ```
   *
   * With `reentrant: true`, a call from the body of another call that holds the lock runs under that lock: it doesn't wait, and its end releases nothing.
   * The outer call releases the lock once all such calls have ended, even if its body did not wait for them. In the nested body, `lock` is an object of
   * its own, which ends with that body; that object loses the lock if the outer body releases it explicitly. Options that concern waiting have no effect then.
   *
   * @throws the errors of `slocket()`; whatever `body` throws; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_LOST, ERR_SLOCKET_NOT_RELEASED.
   */
  with<T>(path: string | URL, options: WithOptions | undefined, body: (lock: Lock) => T | Promise<T>): Promise<T>
  /** Acquires several locks: all of them or none. */
  readonly all: SlocketAll
  /**
   * Waits until this process is the leader, calls `body`, and resolves with its result. At any moment, at most one of the callers that use the same lock
   * leads. The lead is an exclusive lock at `path`, held until `body` has ended.
   *
   * If the lock is lost while `body` runs, `signal` aborts, and the call waits for `body` to end, whatever it returns or throws then. After that it waits for its
   * turn again, at most once a second, and calls `body` again. So `body` should end soon after `signal` has aborted. If a server cannot be reached meanwhile
   * (ERR_SLOCKET_UNREACHABLE), it retries until one can; before it has had its first place in the queue, the call rejects instead.
   *
   * The call ends when `body` ends while it leads: it resolves with the result of `body`, or rejects with its error, and the lock is released. If
   * `options.signal` aborts, a wait rejects with `options.signal.reason`; a running `body` keeps the lead until it ends, and its result or error counts, or
   * `options.signal.reason` if the lead was lost. If the leader crashes, the next candidate leads as soon as its engine grants the lock.
   *
   * ```js
   * await slocket.lead('/run/app/scheduler.lock', async (lock, signal) => {
   *   while (!signal.aborted) await runNextJob({ fence: lock.token })
   * })
   * ```
   *
   * @param body is called with the lock of this term, and with a signal that aborts if the lock is lost, or with `options.signal`.
   * @throws the errors of `slocket()` except ERR_SLOCKET_TIMEOUT; whatever `body` throws; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_NOT_RELEASED.
   */
  lead<T>(path: string | URL, body: (lock: Lock, signal: AbortSignal) => T | Promise<T>): Promise<T>
  /** The same, with options: see {@link LeadOptions}. */
  lead<T>(
    path: string | URL,
    options: LeadOptions | undefined,
    body: (lock: Lock, signal: AbortSignal) => T | Promise<T>,
  ): Promise<T>
  /**
   * Lists the holders of the lock and its waiters, in queue order. It acquires nothing, and does not affect them. Crashed processes are not
   * listed. A holder that does not answer within 200 ms is listed without `label` and `command`. If something at the path isn't a lock, such as the
   * lock file of another tool, `obstacle` says what it is.
   *
   * ```js
   * const { held, pending, obstacle } = await slocket.query('/tmp/deploy.lock')
   * ```
   *
   * @throws the errors of `slocket()` that concern reading; not ERR_SLOCKET_NOT_A_LOCK, which is reported as the `obstacle`.
   */
  query(path: string | URL, options?: QueryOptions): Promise<LockSnapshot>
  /**
   * Takes the lock away from its holders, as the command `slocket break` does, and resolves with the holders that have lost it: none if the lock is free, or
   * if `options.confirm` did not agree. The next waiter has the lock at once.
   *
   * The former holders are notified (`lock.signal` aborts, `lock.held` is false), but they go on running: until they notice, they work at the same time as the next holder. A
   * holder that is stopped notices when it continues; on Windows it keeps the lock. A crashed holder needs no break: its lock is free. Another request of the same process that waits
   * behind a holder may lose its place, and then joins the queue again.
   *
   * With the local engine, only the holders that `options.confirm` was called with lose the lock. Engines that steal (`memory()`, `etcd()`, `redis()`) look once more,
   * but a request that becomes a holder right after that look loses it, too. Only the local engine can take permits away.
   *
   * ```js
   * await slocket.break('/tmp/report.lock', { confirm: (held) => held.every(({ label }) => label === 'nightly report') })
   * ```
   *
   * @throws TypeError also for an engine that can't take a lock away; what `options.confirm` throws, and then nothing was taken; ERR_SLOCKET_PERMISSION if a holder
   * belongs to another user; ERR_SLOCKET_CLAIM_MISMATCH for permits of other engines; ERR_SLOCKET_NOT_RELEASED on Windows, if a holder has not given up within 5 seconds; the errors of
   * `slocket()` that concern reading.
   */
  break(path: string | URL, options?: BreakOptions): Promise<LockRequest[]>
  /**
   * Acquires the lock at `path` and blocks this thread until it is held: for command-line tools, and for the startup of a program. It waits in the
   * same queue as `slocket()` and uses no processor time. The lock stays held while this thread goes on blocking.
   *
   * A free lock is acquired at once. If it isn't free, or its last holder ended without releasing it, another thread waits for it and holds
   * it: the first such call starts that thread, which takes 50 to 150 ms; `options.timeout` counts from then on. While this thread blocks, no signal handler of the program runs; without one, Ctrl-C
   * ends the process as usual.
   *
   * If this thread already holds the lock, or waits for it, the call throws ERR_SLOCKET_DEADLOCK. A shared holder can acquire it again in
   * shared mode; if an exclusive waiter stands in between, only with a `timeout`, during which that waiter may give up.
   *
   * ```js
   * const lock = slocket.sync('/tmp/deploy.lock', { timeout: 5000 })
   * try { deploySync() } finally { lock.release() }
   * ```
   *
   * @throws the errors of `slocket()`; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_NO_THREAD.
   */
  sync(path: string | URL, options?: SyncOptions): SyncLock
}

/**
 * Creates the API.
 *
 * @param engineFor returns the engine for an access. Undefined means the default access: that engine is asked for once.
 * @param sync acquires local locks.
 */
export function createSlocket(engineFor: (access: LockAccess | undefined) => Engine, sync: Slocket['sync']): Slocket {
  let usual: Engine | undefined
  const engineOf = (asked: Asked): Engine => {
    const engine =
      asked.engine ?? (asked.access === undefined ? (usual ??= engineFor(undefined)) : engineFor(asked.access))
    refuseTake(asked, engine)
    return engine
  }
  const acquire = (path: string, asked: Asked, own: readonly Claim[]): Promise<Lock> =>
    isObserved() ? acquireObserved(path, asked, own) : acquireUnobserved(path, asked, own)

  const acquireObserved = (path: string, asked: Asked, own: readonly Claim[]): Promise<Lock> => {
    try {
      const trace = traceOf(path, asked, false)
      const seen = { ...asked, onWait: publishNotices(trace, asked.onWait) }
      return observe(trace, () => acquireUnobserved(path, seen, own))
    } catch (error) {
      // A file of the package can't be loaded.
      return refuse(error)
    }
  }

  const acquireUnobserved = (path: string, asked: Asked, own: readonly Claim[]): Promise<Lock> => {
    try {
      const engine = engineOf(asked)
      makeParentsOf(path, engine, asked)
      const advice = own.length === 0 ? 'wait' : adviceFor(asked.claim, own, asked.timeoutMs)
      if (advice !== 'wait') return acquireAtOnce(engine, path, asked, advice)
      return acquireInTurn(engine, path, asked)
    } catch (error) {
      // A call with a callback throws for wrong arguments only.
      return refuse(error)
    }
  }

  // No closures here: with them, V8 would make a context at each call.
  function slocket(given: string | URL, options?: unknown, callback?: unknown): Promise<Lock> | undefined {
    if (callback !== undefined) {
      if (typeof callback !== 'function') throw new TypeError('callback must be a function')
      return acquireFor(callback as LockCallback, given, options)
    }
    if (typeof options === 'function') return acquireFor(options as LockCallback, given, undefined)
    try {
      const path = parsePath(given)
      return acquire(path, parseOptions(options, ACQUIRE), NONE)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function acquireFor(callback: LockCallback, given: string | URL, options: unknown): undefined {
    const asked = parseOptions(options, ACQUIRE)
    // With nextTick, what the callback throws is an uncaught exception of the caller, not a rejection of this promise.
    acquire(parsePath(given), asked, NONE).then(
      (lock) => nextTick(callback, null, lock),
      (error: unknown) => nextTick(callback, error),
    )
  }

  const relatives: Pick<Slocket, 'try' | 'with' | 'lead' | 'query' | 'break' | 'sync'> = {
    sync,
    async try(given, options) {
      const asked = parseOptions(options, TRY)
      const path = parsePath(given)
      const tryOnce = (): Promise<Lock | null> => {
        try {
          const engine = engineOf(asked)
          makeParentsOf(path, engine, asked)
          return acquireOnce(engine, path, asked, { wait: false, signal: asked.signal })
        } catch (error) {
          return refuse(error)
        }
      }
      return await (isObserved() ? observe(traceOf(path, asked, true), tryOnce) : tryOnce())
    },
    async with<T>(given: string | URL, ...rest: readonly unknown[]): Promise<T> {
      const [options, body] = parseBody(rest) as [unknown, Body<T>]
      const path = parsePath(given)
      const asked = parseOptions(options, WITH)
      const engine = engineOf(asked)
      const resource = engine.resolve?.(path) ?? path
      const outer = currentHolding()
      if (asked.isReentrant) return await runReentrant({ engine, resource, path, asked, outer, acquire }, body)
      const own = outer === undefined ? NONE : claimsOf(outer, engine, resource)
      const lock = await acquire(path, asked, own)
      const holding = createHolding({ engine, resource, outer }, lock)
      return await runUnder({ holdings: [holding], locks: [lock] }, () => body(lock))
    },
    async lead<T>(given: string | URL, ...rest: readonly unknown[]): Promise<T> {
      const [options, body] = parseBody(rest) as [unknown, LeadBody<T>]
      const path = parsePath(given)
      const asked = parseOptions(options, LEAD)
      const engine = engineOf(asked)
      return await lead({ engine, resource: engine.resolve?.(path) ?? path, path, asked, acquire }, body)
    },
    async query(given, options) {
      const path = parsePath(given)
      const found = await engineOf(parseOptions(options, QUERY)).query(path)
      await nextTurn()
      return toSnapshot(found)
    },
    async break(given, options) {
      const path = parsePath(given)
      const engine = engineOf(parseOptions(options, BREAK))
      const { confirm } = options ?? {}
      if (confirm !== undefined) parseFunction('confirm', confirm)
      const lost = await breakLock(engine, path, confirm)
      await nextTurn()
      return lost
    },
  }
  const ofSets = {
    all: async (
      paths: readonly (string | URL)[],
      options?: SlocketOptions,
      ...rest: readonly unknown[]
    ): Promise<LockSet> => {
      // A callback would never be called.
      if (typeof options === 'function' || rest.some((one) => typeof one === 'function')) {
        throw new TypeError('slocket.all() takes no callback: it returns a promise')
      }
      const asked = parseOptions(options, ALL)
      return await acquireAll({ engine: engineOf(asked), paths: parsePaths(paths), asked, outer: undefined, acquire })
    },
    with: async <T>(paths: readonly (string | URL)[], ...rest: readonly unknown[]): Promise<T> => {
      const [options, body] = parseBody(rest) as [unknown, SetBody<T>]
      const asked = parseOptions(options, ALL_WITH)
      const outer = currentHolding()
      return await runUnderAll({ engine: engineOf(asked), paths: parsePaths(paths), asked, outer, acquire }, body)
    },
  }
  const all: SlocketAll = Object.assign(ofSets.all, { with: ofSets.with })
  // A bundler may have renamed the function.
  Object.defineProperty(slocket, 'name', { value: 'slocket', configurable: true })
  return Object.assign(slocket, relatives, { all }) as Slocket
}

/** The hints of a call that makes no request: it takes none of the options of a request. */
function noRequest(why: string): NonNullable<Parameters<typeof callOptions>[1]> {
  return {
    mode: why,
    permits: why,
    take: why,
    timeout: why,
    signal: why,
    label: why,
    linger: why,
    slice: why,
    access: why,
    atLeast: why,
    reentrant: why,
    onWait: why,
    waitNoticeAfter: why,
    parents: why,
  }
}

/** Rejects with `error`, in the next turn of the event loop, as every refusal does: see event-loop.ts. */
async function refuse(error: unknown): Promise<never> {
  await nextTurn()
  throw error
}

/** Returns the options and the body of a call whose options may be omitted. @throws TypeError */
function parseBody(rest: readonly unknown[]): readonly [options: unknown, body: (...given: never) => unknown] {
  const [options, body] = rest.length > 1 ? rest : [undefined, rest[0]]
  if (typeof body !== 'function') throw new TypeError('the last argument must be a function')
  return [options, body as () => unknown]
}

const NOT_HERE = { reentrant: 'only slocket.with() knows what its caller holds' }
const ALONE = 'the leader is alone'
const ACQUIRE = callOptions('slocket()', NOT_HERE)
const WITH = callOptions('slocket.with()')
const ALL = callOptions('slocket.all()', NOT_HERE)
const ALL_WITH = callOptions('slocket.all.with()')
const LEAD = callOptions('slocket.lead()', {
  mode: ALONE,
  permits: ALONE,
  take: ALONE,
  timeout: "it waits until it leads; 'signal' ends that",
  slice: 'it leads until its body has ended',
  atLeast: 'it leads until its body has ended',
  ...NOT_HERE,
})
const NO_WAIT = 'it never waits; use slocket() to wait'
const TRY = callOptions('slocket.try()', {
  timeout: NO_WAIT,
  onWait: NO_WAIT,
  waitNoticeAfter: NO_WAIT,
  ...NOT_HERE,
})
const QUERY = callOptions('slocket.query()', noRequest('it only looks, and acquires nothing'))
const NO_BREAK = 'it takes the lock from its holders, and acquires nothing'
const BREAK = callOptions('slocket.break()', noRequest(NO_BREAK), ['confirm'])

const NONE: readonly Claim[] = []

/** For a call from a body that holds the same lock, if it would wait forever. */
async function acquireAtOnce(engine: Engine, path: string, asked: Asked, advice: 'try' | 'refuse'): Promise<Lock> {
  const { signal } = asked
  if (advice === 'try') {
    const lock = await acquireOnce(engine, path, asked, { wait: false, signal })
    if (lock !== null) return lock
  } else await nextTurn()
  throw new SlocketError(
    'ERR_SLOCKET_DEADLOCK',
    `this call for the lock '${path}' was made from the body of a call that holds it, and would wait forever: ` +
      'release the lock first, or use slocket.with() with reentrant: true',
  )
}

type Body<T> = (lock: Lock) => T | Promise<T>
type LeadBody<T> = (lock: Lock, signal: AbortSignal) => T | Promise<T>
type SetBody<T> = (locks: LockSet) => T | Promise<T>
