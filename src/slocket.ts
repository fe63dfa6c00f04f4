/** The API: `slocket(path)` and its relatives, over any engine. */
import type { AcquireRequest, Engine, Requester } from './contract/engine.ts'
import { onAbort } from './contract/on-abort.ts'
import { permitsOf } from './core/claim.ts'
import { isObserved, observe, traceOf } from './diagnostics.ts'
import { Lock } from './lock.ts'
import type { Asked, LockMode, SlocketOptions } from './options.ts'
import { checkPath, parseOptions } from './options.ts'
import type { SyncOptions } from './sync/acquire-sync.ts'
import type { SyncLock } from './sync/sync-lock.ts'
import { timeoutError } from './timeout-error.ts'

/** Called exactly once: with an error, or with null and the lock. */
export type LockCallback = (error: unknown, lock?: Lock) => void

/** Who holds a lock, and who waits for it, each in queue order. */
export interface LockSnapshot {
  /** Those who hold. */
  readonly held: LockRequest[]
  /** Those who wait. */
  readonly pending: LockRequest[]
}

/** One who holds a lock, or waits for it. */
export interface LockRequest {
  /** Whether others may hold with it. */
  readonly mode: LockMode
  /** The number of permits of the semaphore, where it is one. */
  readonly permits?: number
  /** Process id, as that process sees it. For people to read: in another pid namespace it means something else. */
  readonly pid: number
  /** Since when it holds, or waits. */
  readonly since: Date
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
   * `options.signal.reason`, on timeout with ERR_SLOCKET_TIMEOUT: either it rejects, or you own the lock.
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
   * Takes the lock only if that needs no waiting for a holder; null when somebody holds it, or waits ahead.
   *
   * `options.timeout` has no meaning here and is refused. It may take some milliseconds: whether the one ahead is alive has
   * to be found out.
   *
   * @throws as `slocket`, except ERR_SLOCKET_TIMEOUT; and ERR_SLOCKET_DEAD_SOCKET.
   */
  try(path: string, options?: Omit<SlocketOptions, 'timeout'>): Promise<Lock | null>
  /**
   * Runs `body` under the lock, releases it whatever happens, and gives what `body` gave. `lock.signal` tells `body` if
   * the lock is lost meanwhile.
   *
   * ```js
   * const total = await slocket.with('/tmp/ledger.lock', async () => addUp(await readLedger()))
   * ```
   *
   * @throws as `slocket`; whatever `body` throws.
   */
  with<T>(path: string, body: (lock: Lock) => T | Promise<T>): Promise<T>
  with<T>(path: string, options: SlocketOptions | undefined, body: (lock: Lock) => T | Promise<T>): Promise<T>
  /**
   * Who holds the lock and who waits for it, in queue order. Takes no lock, disturbs nobody, shows no dead. A holder
   * that does not answer within 200 ms is shown without label and command.
   *
   * ```js
   * const { held, pending } = await slocket.query('/tmp/deploy.lock')
   * ```
   *
   * @throws as `slocket`, as far as looking goes.
   */
  query(path: string, options?: Pick<SlocketOptions, 'engine'>): Promise<LockSnapshot>
  /**
   * As `slocket`, and blocks until the lock is held: for command-line tools, and for what runs at the start. It stands in the
   * same queue. A thread of its own waits, and holds, so the lock stays held while this thread goes on blocking. No signal
   * handler of the program runs while it blocks; without one, Ctrl-C ends the process as ever.
   *
   * The first call starts the thread, which takes 50 to 150 ms; `options.timeout` counts from then on. With a `timeout` of 0 it
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

/** Makes the API over `defaultEngine`. `sync` takes local locks. */
export function createSlocket(defaultEngine: Engine, sync: Slocket['sync']): Slocket {
  const acquire = (path: string, asked: Asked): Promise<Lock> =>
    isObserved() ? observe(traceOf(path, asked, false), () => acquireUnseen(path, asked)) : acquireUnseen(path, asked)
  const acquireUnseen = (path: string, asked: Asked): Promise<Lock> => {
    const engine = asked.engine ?? defaultEngine
    if (asked.timeoutMs !== undefined) return acquireWithin(engine, path, asked, asked.timeoutMs)
    // A request that waits is never refused.
    return acquireOnce(engine, path, asked, { wait: true, signal: asked.signal }) as Promise<Lock>
  }

  function slocket(path: string, ...rest: readonly unknown[]): Promise<Lock> | undefined {
    const last = rest.length > 1 ? rest[1] : rest[0]
    if (typeof last !== 'function') {
      if (rest.length > 1 && last !== undefined) throw new TypeError('callback must be a function')
      try {
        return acquire(checked(path), parseOptions(rest[0]))
      } catch (error) {
        return Promise.reject(error)
      }
    }
    const callback = last as LockCallback
    const asked = parseOptions(rest.length > 1 ? rest[0] : undefined)
    // By nextTick: what the callback throws is the caller's uncaught exception, and no rejection of ours.
    acquire(checked(path), asked).then(
      (lock) => process.nextTick(callback, null, lock),
      (error: unknown) => process.nextTick(callback, error),
    )
    return undefined
  }

  const relatives: Pick<Slocket, 'try' | 'with' | 'query' | 'sync'> = {
    sync,
    async try(path, options) {
      const asked = parseOptions(options)
      if (asked.timeoutMs !== undefined) throw new TypeError('options.timeout has no meaning for a try')
      checkPath(path)
      const tryOnce = (): Promise<Lock | null> =>
        acquireOnce(asked.engine ?? defaultEngine, path, asked, { wait: false, signal: asked.signal })
      return await (isObserved() ? observe(traceOf(path, asked, true), tryOnce) : tryOnce())
    },
    async with<T>(path: string, ...rest: readonly unknown[]): Promise<T> {
      const body = rest.length > 1 ? rest[1] : rest[0]
      if (typeof body !== 'function') throw new TypeError('the last argument must be a function')
      const lock = await acquire(checked(path), parseOptions(rest.length > 1 ? rest[0] : undefined))
      try {
        return await (body as (lock: Lock) => T | Promise<T>)(lock)
      } finally {
        await lock.release()
      }
    },
    async query(path, options) {
      checkPath(path)
      const { held, pending } = await (parseOptions(options).engine ?? defaultEngine).query(path)
      return { held: held.map(toLockRequest), pending: pending.map(toLockRequest) }
    },
  }
  return Object.assign(slocket, relatives) as Slocket
}

async function acquireWithin(engine: Engine, path: string, asked: Asked, timeoutMs: number): Promise<Lock> {
  const { signal } = asked
  const since = Date.now()
  if (timeoutMs === 0) {
    const lock = await acquireOnce(engine, path, asked, { wait: false, signal })
    if (lock === null) throw await timeoutError(engine, path, timeoutMs, since)
    return lock
  }
  const controller = new AbortController()
  signal?.throwIfAborted()
  const stopListening = signal && onAbort(signal, () => controller.abort(signal.reason))
  const timer = setTimeout(() => controller.abort(TIMED_OUT), timeoutMs)
  try {
    return (await acquireOnce(engine, path, asked, { wait: true, signal: controller.signal })) as Lock
  } catch (error) {
    throw error === TIMED_OUT ? await timeoutError(engine, path, timeoutMs, since) : error
  } finally {
    clearTimeout(timer)
    stopListening?.()
  }
}

const TIMED_OUT = Symbol('timed out')

/** Null only where it does not wait. */
function acquireOnce(
  engine: Engine,
  path: string,
  asked: Asked,
  { wait, signal }: Pick<AcquireRequest, 'wait' | 'signal'>,
): Promise<Lock | null> {
  const { claim, mode, label, lingerMs } = asked
  return engine
    .acquire(path, { claim, wait, label, lingerMs, signal })
    .then((grant) => (grant === null ? null : new Lock(path, mode, permitsOf(claim), grant)))
}

function toLockRequest({ claim, pid, sinceMs, label, command, self }: Requester): LockRequest {
  const permits = permitsOf(claim)
  return {
    mode: claim.kind === 'shared' ? 'shared' : 'exclusive',
    ...(permits === undefined ? {} : { permits }),
    pid,
    since: new Date(sinceMs),
    ...(label === undefined ? {} : { label }),
    ...(command === undefined ? {} : { command }),
    self,
  }
}

function checked(path: unknown): string {
  checkPath(path)
  return path
}
