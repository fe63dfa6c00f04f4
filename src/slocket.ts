/** The API: `slocket(path)` and its relatives, over any engine. */
import { acquireOnce, acquireWithin } from './acquire.ts'
import type { Engine, Requester } from './requests/engine.ts'
import { nextTurn } from './requests/event-loop.ts'
import type { LockAccess } from './requests/lock-access.ts'
import type { Obstacle } from './requests/obstacle.ts'
import type { Claim } from './core/claim.ts'
import { permitsOf } from './core/claim.ts'
import { adviceFor } from './core/deadlock.ts'
import { debug } from './debug.ts'
import { isObserved, observe, traceOf } from './diagnostics.ts'
import { SlocketError } from './errors.ts'
import type { Holding } from './holding.ts'
import { callBody, claimsOf, currentHolding, endBody } from './holding.ts'
import type { Lock } from './lock.ts'
import type { Asked, LockMode, QueryOptions, SlocketOptions, SyncOptions, TryOptions } from './options.ts'
import { callOptions, checkPath, DEFAULTS, parseOptions } from './options.ts'
import type { SyncLock } from './sync/sync-lock.ts'
import { nextTick } from './real-time.ts'

/** Called exactly once: with an error, or with `null` and the lock. */
export type LockCallback = (error: unknown, lock?: Lock) => void

/** The holders of a lock and its waiters, each in queue order, at one moment. */
export interface LockSnapshot {
  /** The holders. Empty if the lock is free. */
  readonly held: LockRequest[]
  /** The waiters, the next one first. */
  readonly pending: LockRequest[]
  /** Something at the path that isn't a lock and keeps the lock from being acquired. Missing if there is nothing. */
  readonly obstacle?: Obstacle
}

/** A holder of a lock, or a waiter. */
export interface LockRequest {
  /** Whether it allows other holders: `exclusive` or `shared`. `exclusive` for a semaphore, too. */
  readonly mode: LockMode
  /** The number of holders that the semaphore allows. Missing if the lock isn't a semaphore. */
  readonly permits?: number
  /**
   * The process id, as that process sees it. For people to read: in another pid namespace it means another process. Missing if the engine can't
   * see it: PostgreSQL hides the sessions of other roles.
   */
  readonly pid?: number
  /** When it acquired the lock, or began to wait. Missing if the engine can't see it, as `pid`. */
  readonly since?: Date
  /** Its `options.label`. Missing if it gave none, or if its event loop was blocked and it couldn't be asked. */
  readonly label?: string
  /** Its command line. Missing if it couldn't be asked. */
  readonly command?: string
  /** Whether it belongs to this process (or this worker thread), by `slocket()` or `slocket.sync()`. */
  readonly self: boolean
}

/** The function that the package exports, and its relatives. */
export interface Slocket {
  /**
   * Acquires the lock at `path`, and waits for its turn if necessary: first come, first served, among all processes and threads of this machine.
   * Waiting keeps the process alive; holding does not.
   *
   * If the holder crashes, the next waiter gets the lock within milliseconds. If the wait is aborted, the promise rejects with
   * `options.signal.reason`; after `options.timeout`, with ERR_SLOCKET_TIMEOUT. Either it rejects, or you hold the lock.
   *
   * Two process warnings point out a wait that may never end: SLOCKET_SELF_WAIT after 5 seconds if this process has held the same lock all the
   * time, and SLOCKET_OBSTACLE after one second if something at the path looks like the lock of another program.
   *
   * ```js
   * const lock = await slocket('/tmp/deploy.lock')
   * try { await deploy() } finally { await lock.release() }
   * ```
   *
   * @param path any path whose parent directory exists, for this lock alone: not the file that you protect, but a path beside it, such as
   * `data.json.lock`. slocket makes a directory there, and removes it if nobody uses it.
   * @param options see {@link SlocketOptions}.
   * @throws TypeError, RangeError for wrong arguments; ERR_SLOCKET_TIMEOUT, ERR_SLOCKET_CLAIM_MISMATCH, ERR_SLOCKET_NO_PARENT,
   * ERR_SLOCKET_NOT_A_LOCK, ERR_SLOCKET_PERMISSION, ERR_SLOCKET_READ_ONLY, ERR_SLOCKET_RESOURCES, ERR_SLOCKET_PATH_TOO_LONG,
   * ERR_SLOCKET_NETWORK_FILE_SYSTEM, ERR_SLOCKET_OTHER_KERNEL, ERR_SLOCKET_OTHER_MOUNT, ERR_SLOCKET_NO_SOCKETS,
   * ERR_SLOCKET_UNSUPPORTED_PLATFORM, ERR_SLOCKET_SYSTEM.
   */
  (path: string, options?: SlocketOptions): Promise<Lock>
  /**
   * Acquires the lock at `path` and calls `callback` with it. The same as the call without a callback, but for how the result is delivered:
   * `callback` is called exactly once, and never before this call returns. Wrong arguments throw.
   */
  (path: string, callback: LockCallback): void
  /**
   * Acquires the lock at `path` and calls `callback` with it. The same as the call without a callback, but for how the result is delivered:
   * `callback` is called exactly once, and never before this call returns. Wrong arguments throw.
   */
  (path: string, options: SlocketOptions | undefined, callback: LockCallback): void
  /**
   * Acquires the lock only if it is free. Resolves with `null` if the lock is held, if others are already waiting, or if something at the path
   * looks like the lock of another program; `slocket.query` tells which.
   *
   * It can take some milliseconds, since it may have to find out whether the holder is still alive.
   *
   * ```js
   * const lock = await slocket.try('/tmp/backup.lock')
   * if (lock === null) console.log('a backup is already running')
   * ```
   *
   * @throws the errors of `slocket()` except ERR_SLOCKET_TIMEOUT; and ERR_SLOCKET_DEAD_SOCKET.
   */
  try(path: string, options?: TryOptions): Promise<Lock | null>
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
  with<T>(path: string, body: (lock: Lock) => T | Promise<T>): Promise<T>
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
   * @throws the errors of `slocket()`; whatever `body` throws; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_LOST, ERR_SLOCKET_NOT_RELEASED.
   */
  with<T>(path: string, options: SlocketOptions | undefined, body: (lock: Lock) => T | Promise<T>): Promise<T>
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
  query(path: string, options?: QueryOptions): Promise<LockSnapshot>
  /**
   * Acquires the lock at `path` and blocks this thread until it is held: for command-line tools, and for the start of a program. It waits in the
   * same queue as `slocket()` and uses no processor time. The lock stays held while this thread goes on blocking.
   *
   * A free lock is acquired at once. If it isn't free, or its last holder ended without releasing it, another thread waits for it and holds
   * it: the first such call starts that thread, which takes 50 to 150 ms; `options.timeout` counts from then on. While this thread blocks, no signal handler of the program runs; without one, Ctrl-C
   * ends the process as usual.
   *
   * If this thread already holds the lock, or waits for it, the call throws ERR_SLOCKET_DEADLOCK. A shared holder can acquire it again in
   * shared mode; if an exclusive waiter is between, only with a `timeout`, which waits for that waiter to give up.
   *
   * ```js
   * const lock = slocket.sync('/tmp/deploy.lock', { timeout: 5000 })
   * try { deploySync() } finally { lock.release() }
   * ```
   *
   * @throws the errors of `slocket()`; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_NO_THREAD.
   */
  sync(path: string, options?: SyncOptions): SyncLock
}

/**
 * Makes the API.
 *
 * @param engineFor gives the engine for an access, undefined for the default one: asked at each call without an engine.
 * @param sync acquires local locks.
 */
export function createSlocket(engineFor: (access: LockAccess | undefined) => Engine, sync: Slocket['sync']): Slocket {
  const engineOf = ({ engine, access }: Asked): Engine => engine ?? engineFor(access)
  const acquire = (path: string, asked: Asked, own: readonly Claim[] = NONE, isSeen = isObserved()): Promise<Lock> => {
    if (isSeen) return observe(traceOf(path, asked, false), () => acquire(path, asked, own, false))
    try {
      const engine = engineOf(asked)
      const advice = own.length === 0 ? 'wait' : adviceFor(asked.claim, own, asked.timeoutMs)
      if (advice !== 'wait') return acquireAtOnce(engine, path, asked, advice)
      if (asked.timeoutMs !== undefined) return acquireWithin(engine, path, asked, asked.timeoutMs)
      // A request that waits is never refused.
      return acquireOnce(
        engine,
        path,
        asked,
        asked.signal === undefined ? WAITS : { wait: true, signal: asked.signal },
      ) as Promise<Lock>
    } catch (error) {
      // A call with a callback throws for wrong arguments only.
      return Promise.reject(error)
    }
  }

  function slocket(path: string, ...rest: readonly unknown[]): Promise<Lock> | undefined {
    const last = rest.length > 1 ? rest[1] : rest[0]
    if (typeof last !== 'function') {
      if (rest.length > 1 && last !== undefined) throw new TypeError('callback must be a function')
      try {
        checkPath(path)
        return acquire(path, rest[0] === undefined ? DEFAULTS : parseOptions(rest[0], ACQUIRE))
      } catch (error) {
        return Promise.reject(error)
      }
    }
    const callback = last as LockCallback
    const asked = parseOptions(rest.length > 1 ? rest[0] : undefined, ACQUIRE)
    // By nextTick: what the callback throws is the caller's uncaught exception, and no rejection of ours.
    checkPath(path)
    acquire(path, asked).then(
      (lock) => nextTick(callback, null, lock),
      (error: unknown) => nextTick(callback, error),
    )
    return undefined
  }

  const relatives: Pick<Slocket, 'try' | 'with' | 'query' | 'sync'> = {
    sync,
    async try(path, options) {
      const asked = parseOptions(options, TRY)
      checkPath(path)
      const tryOnce = (): Promise<Lock | null> =>
        acquireOnce(engineOf(asked), path, asked, { wait: false, signal: asked.signal })
      return await (isObserved() ? observe(traceOf(path, asked, true), tryOnce) : tryOnce())
    },
    async with<T>(path: string, ...rest: readonly unknown[]): Promise<T> {
      const body = rest.length > 1 ? rest[1] : rest[0]
      if (typeof body !== 'function') throw new TypeError('the last argument must be a function')
      checkPath(path)
      const asked = parseOptions(rest.length > 1 ? rest[0] : undefined, WITH)
      const { claim } = asked
      const engine = engineOf(asked)
      const resource = engine.resolve?.(path) ?? path
      const outer = currentHolding()
      const own = outer === undefined ? NONE : claimsOf(outer, engine, resource)
      const lock = await acquire(path, asked, own)
      return await runUnder({ engine, resource, claim, lock, outer }, lock, body as Body<T>)
    },
    async query(path, options) {
      checkPath(path)
      const { held, pending, obstacle } = await engineOf(parseOptions(options, QUERY)).query(path)
      await nextTurn()
      const snapshot = { held: held.map(toLockRequest), pending: pending.map(toLockRequest) }
      return obstacle === undefined ? snapshot : { ...snapshot, obstacle }
    },
  }
  // A bundler may have renamed it.
  Object.defineProperty(slocket, 'name', { value: 'slocket', configurable: true })
  return Object.assign(slocket, relatives) as Slocket
}

const NO_REQUEST = 'it only looks, and acquires nothing'
const ACQUIRE = callOptions('slocket()')
const WITH = callOptions('slocket.with()')
const TRY = callOptions('slocket.try()', { timeout: 'it never waits; use slocket() to wait' })
const QUERY = callOptions('slocket.query()', {
  mode: NO_REQUEST,
  permits: NO_REQUEST,
  timeout: NO_REQUEST,
  signal: NO_REQUEST,
  label: NO_REQUEST,
  linger: NO_REQUEST,
  slice: NO_REQUEST,
  access: NO_REQUEST,
})

const NONE: readonly Claim[] = []
const WAITS = { wait: true, signal: undefined } as const

/** For a call from inside a body that holds the same lock, and would wait for ever. */
async function acquireAtOnce(engine: Engine, path: string, asked: Asked, advice: 'try' | 'refuse'): Promise<Lock> {
  const { signal } = asked
  if (advice === 'try') {
    const lock = await acquireOnce(engine, path, asked, { wait: false, signal })
    if (lock !== null) return lock
  } else await nextTurn()
  throw new SlocketError(
    'ERR_SLOCKET_DEADLOCK',
    `slocket.with() for the lock '${path}' was called from the body of another one that holds it: it would wait for ever`,
  )
}

type Body<T> = (lock: Lock) => T | Promise<T>

/** Runs `body`, and releases the lock. @throws what `body` throws; ERR_SLOCKET_LOST; ERR_SLOCKET_NOT_RELEASED. */
async function runUnder<T>(holding: Holding, lock: Lock, body: Body<T>): Promise<T> {
  let result: T
  try {
    result = await callBody(holding, lock, body)
  } catch (error) {
    // A failure to release does not hide the first error.
    await lock.release().catch((failure: unknown) => debug('%s: release: %s', lock.name, failure))
    throw error
  } finally {
    endBody(holding)
  }
  const { loss } = lock
  if (loss !== undefined) throw lostError(lock, loss, result)
  await lock.release()
  return result
}

function lostError({ name }: Lock, loss: Error, result: unknown): SlocketError {
  const message = `the lock '${name}' was lost while the body ran: ${loss.message}`
  const error = new SlocketError('ERR_SLOCKET_LOST', message, { cause: loss })
  return Object.defineProperty(error, 'result', { value: result })
}

export function toLockRequest({ claim, pid, sinceMs, label, command, self }: Requester): LockRequest {
  const permits = permitsOf(claim)
  return {
    mode: claim.kind === 'shared' ? 'shared' : 'exclusive',
    ...(permits === undefined ? {} : { permits }),
    ...(pid === undefined ? {} : { pid }),
    ...(sinceMs === undefined ? {} : { since: new Date(sinceMs) }),
    ...(label === undefined ? {} : { label }),
    ...(command === undefined ? {} : { command }),
    self,
  }
}
