/** The API: `slocket(path)` and its relatives, over any engine. */
import { acquireOnce, acquireWithin } from './acquire.ts'
import type { Engine, Requester } from './contract/engine.ts'
import { nextTurn } from './contract/event-loop.ts'
import type { LockAccess } from './contract/lock-access.ts'
import type { Obstacle } from './contract/obstacle.ts'
import type { Claim } from './core/claim.ts'
import { permitsOf } from './core/claim.ts'
import { adviceFor } from './core/deadlock.ts'
import { debug } from './debug.ts'
import { isObserved, observe, traceOf } from './diagnostics.ts'
import { SlocketError } from './errors.ts'
import type { Holding } from './holding.ts'
import { callBody, claimsOf, currentHolding, endBody } from './holding.ts'
import type { Lock } from './lock.ts'
import type { Asked, LockMode, SlocketOptions } from './options.ts'
import { checkPath, parseOptions } from './options.ts'
import type { SyncOptions } from './sync/acquire-sync.ts'
import type { SyncLock } from './sync/sync-lock.ts'
import { nextTick } from './real-time.ts'

/** Called exactly once: with an error, or with null and the lock. */
export type LockCallback = (error: unknown, lock?: Lock) => void

/** Who holds a lock, and who waits for it, each in queue order. */
export interface LockSnapshot {
  /** Those who hold. */
  readonly held: LockRequest[]
  /** Those who wait. */
  readonly pending: LockRequest[]
  /** Something at the path that isn't a lock, and that keeps all who ask for the lock waiting, or has them refused. Missing if there is nothing. */
  readonly obstacle?: Obstacle
}

/** One who holds a lock, or waits for it. */
export interface LockRequest {
  /** Whether others may hold with it. */
  readonly mode: LockMode
  /** The number of permits of the semaphore, where it is one. */
  readonly permits?: number
  /**
   * Process id, as that process sees it. For people to read: in another pid namespace it means something else. Missing if it is not known: PostgreSQL
   * hides what the session of another role says of itself.
   */
  readonly pid?: number
  /** Since when it holds, or waits. Missing if it is not known, as `pid`. */
  readonly since?: Date
  /** What it said in `options.label`. Missing also where its event loop is blocked, so that it could not be asked. */
  readonly label?: string
  /** Its command line. Missing where it could not be asked. */
  readonly command?: string
  /** Whether it belongs to this process (or worker thread), by `slocket()` or by `slocket.sync()`. */
  readonly self: boolean
}

/** The function that the package exports, and its relatives. */
export interface Slocket {
  /**
   * Takes the lock at `path`, and waits its turn for it: first come, first served, among all processes and threads of
   * this machine. Waiting keeps the process alive.
   *
   * When the holder dies, however it dies, the next one has the lock within milliseconds. On abort it rejects with
   * `options.signal.reason`, on timeout with ERR_SLOCKET_TIMEOUT: either it rejects, or you own the lock. A wait of 5 seconds for
   * what this process has held all the time emits a process warning: SLOCKET_SELF_WAIT. While something at the path
   * counts as the lock of another program (`ObstacleKind`), it waits; after a second the process is warned: SLOCKET_OBSTACLE.
   *
   * ```js
   * const lock = await slocket('/tmp/deploy.lock')
   * try { await deploy() } finally { await lock.release() }
   * ```
   *
   * @param path any path whose parent directory exists; slocket makes a directory there, and removes it when nobody needs it.
   * @throws TypeError, RangeError for wrong arguments; ERR_SLOCKET_TIMEOUT, ERR_SLOCKET_CLAIM_MISMATCH,
   * ERR_SLOCKET_NO_PARENT, ERR_SLOCKET_NOT_A_LOCK, ERR_SLOCKET_PERMISSION, ERR_SLOCKET_READ_ONLY, ERR_SLOCKET_RESOURCES,
   * ERR_SLOCKET_PATH_TOO_LONG, ERR_SLOCKET_NETWORK_FILE_SYSTEM, ERR_SLOCKET_OTHER_KERNEL, ERR_SLOCKET_OTHER_MOUNT, ERR_SLOCKET_NO_SOCKETS,
   * ERR_SLOCKET_UNSUPPORTED_PLATFORM, ERR_SLOCKET_SYSTEM.
   */
  (path: string, options?: SlocketOptions): Promise<Lock>
  /** As above, by a callback, which is called exactly once, never before this returns. Wrong arguments throw. */
  (path: string, callback: LockCallback): void
  (path: string, options: SlocketOptions | undefined, callback: LockCallback): void
  /**
   * Takes the lock only if that needs no waiting for a holder; null when somebody holds it, or waits ahead, or when something at the
   * path counts as the lock of another program: `query` says which.
   *
   * `options.timeout` has no meaning here and is refused. It may take some milliseconds: whether the one ahead is alive has
   * to be found out.
   *
   * @throws as `slocket`, except ERR_SLOCKET_TIMEOUT; and ERR_SLOCKET_DEAD_SOCKET.
   */
  try(path: string, options?: Omit<SlocketOptions, 'timeout'>): Promise<Lock | null>
  /**
   * Runs `body` under the lock, releases it whatever happens, and gives what `body` gave. If the lock is lost meanwhile,
   * `lock.signal` tells `body`, and ERR_SLOCKET_LOST tells the caller when `body` has ended: its `result` is what `body` gave, its
   * `cause` is the reason. An error of `body` comes first.
   *
   * Called from the body of another `slocket.with` that holds the same lock, it rejects with ERR_SLOCKET_DEADLOCK if it would wait for
   * ever. What a body starts, and does not wait for, can ask by `slocket()`.
   *
   * ```js
   * const total = await slocket.with('/tmp/ledger.lock', async () => addUp(await readLedger()))
   * ```
   *
   * @throws as `slocket`; whatever `body` throws; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_LOST, ERR_SLOCKET_NOT_RELEASED.
   */
  with<T>(path: string, body: (lock: Lock) => T | Promise<T>): Promise<T>
  with<T>(path: string, options: SlocketOptions | undefined, body: (lock: Lock) => T | Promise<T>): Promise<T>
  /**
   * Who holds the lock and who waits for it, in queue order. Takes no lock, disturbs nobody, shows no dead. A holder
   * that does not answer within 200 ms is shown without label and command. If something that isn't a lock is at the path, such as
   * the lock file of another tool, `obstacle` says what it is. Of the options, only `engine` has a meaning
   * here; the others of `slocket` are accepted.
   *
   * ```js
   * const { held, pending, obstacle } = await slocket.query('/tmp/deploy.lock')
   * ```
   *
   * @throws as `slocket`, as far as looking goes, but for ERR_SLOCKET_NOT_A_LOCK: what would be refused is the `obstacle`.
   */
  query(path: string, options?: Pick<SlocketOptions, 'engine' | 'access'>): Promise<LockSnapshot>
  /**
   * As `slocket`, and blocks until the lock is held: for command-line tools, and for what runs at the start. It stands in the
   * same queue. The lock stays held while this thread goes on blocking. No signal
   * handler of the program runs while it blocks; without one, Ctrl-C ends the process as ever.
   *
   * A free lock is taken at once. If it isn't free, or its last holder ended without releasing it, another thread takes it, and holds it:
   * the first such call starts that thread, which takes 50 to 150 ms; `options.timeout` counts from then on. With a `timeout` of 0 it
   * takes the lock only if it is free. What this thread has already, or waits for, is ERR_SLOCKET_DEADLOCK.
   * (Who shares may share once more; where somebody exclusive waits between, only a `timeout` has it wait for that one to give up.)
   *
   * ```js
   * const lock = slocket.sync('/tmp/deploy.lock', { timeout: 5000 })
   * try { deploySync() } finally { lock.release() }
   * ```
   *
   * @throws as `slocket`; ERR_SLOCKET_DEADLOCK, ERR_SLOCKET_NO_THREAD.
   */
  sync(path: string, options?: SyncOptions): SyncLock
}

/** Makes the API over `defaultEngine`. `sync` takes local locks; `engineFor` gives the engine of an access, if that is asked for. */
export function createSlocket(
  defaultEngine: Engine,
  sync: Slocket['sync'],
  engineFor: (access: LockAccess) => Engine = () => defaultEngine,
): Slocket {
  const engineOf = ({ engine, access }: Asked): Engine =>
    engine ?? (access === undefined ? defaultEngine : engineFor(access))
  const acquire = (path: string, asked: Asked, own: readonly Claim[] = NONE): Promise<Lock> =>
    isObserved()
      ? observe(traceOf(path, asked, false), () => acquireUnseen(path, asked, own))
      : acquireUnseen(path, asked, own)
  const acquireUnseen = (path: string, asked: Asked, own: readonly Claim[]): Promise<Lock> => {
    const engine = engineOf(asked)
    const advice = own.length === 0 ? 'wait' : adviceFor(asked.claim, own, asked.timeoutMs)
    if (advice !== 'wait') return acquireAtOnce(engine, path, asked, advice)
    if (asked.timeoutMs !== undefined) return acquireWithin(engine, path, asked, asked.timeoutMs)
    // A request that waits is never refused.
    return acquireOnce(engine, path, asked, { wait: true, signal: asked.signal }) as Promise<Lock>
  }

  function slocket(path: string, ...rest: readonly unknown[]): Promise<Lock> | undefined {
    const last = rest.length > 1 ? rest[1] : rest[0]
    if (typeof last !== 'function') {
      if (rest.length > 1 && last !== undefined) throw new TypeError('callback must be a function')
      try {
        return acquire(checked(path), parseOptions(rest[0], 'slocket()'))
      } catch (error) {
        return Promise.reject(error)
      }
    }
    const callback = last as LockCallback
    const asked = parseOptions(rest.length > 1 ? rest[0] : undefined, 'slocket()')
    // By nextTick: what the callback throws is the caller's uncaught exception, and no rejection of ours.
    acquire(checked(path), asked).then(
      (lock) => nextTick(callback, null, lock),
      (error: unknown) => nextTick(callback, error),
    )
    return undefined
  }

  const relatives: Pick<Slocket, 'try' | 'with' | 'query' | 'sync'> = {
    sync,
    async try(path, options) {
      const asked = parseOptions(options, 'slocket.try()')
      if (asked.timeoutMs !== undefined) throw new TypeError('options.timeout has no meaning for a try')
      checkPath(path)
      const tryOnce = (): Promise<Lock | null> =>
        acquireOnce(engineOf(asked), path, asked, { wait: false, signal: asked.signal })
      return await (isObserved() ? observe(traceOf(path, asked, true), tryOnce) : tryOnce())
    },
    async with<T>(path: string, ...rest: readonly unknown[]): Promise<T> {
      const body = rest.length > 1 ? rest[1] : rest[0]
      if (typeof body !== 'function') throw new TypeError('the last argument must be a function')
      checkPath(path)
      const asked = parseOptions(rest.length > 1 ? rest[0] : undefined, 'slocket.with()')
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
      const { held, pending, obstacle } = await engineOf(parseOptions(options, 'slocket.query()')).query(path)
      await nextTurn()
      const snapshot = { held: held.map(toLockRequest), pending: pending.map(toLockRequest) }
      return obstacle === undefined ? snapshot : { ...snapshot, obstacle }
    },
  }
  return Object.assign(slocket, relatives) as Slocket
}

const NONE: readonly Claim[] = []

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

function toLockRequest({ claim, pid, sinceMs, label, command, self }: Requester): LockRequest {
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

function checked(path: unknown): string {
  checkPath(path)
  return path
}
