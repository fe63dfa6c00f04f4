/**
 * `slocket/redlock`: the class, calls, settings and errors of redlock 5.0.0-beta.2, over the engine for Redis.
 *
 *  1. A lock is free when its `duration` is over, unless it was extended: this process releases it then. Until then, its lease is renewed. So if the process
 *     crashes, the lock is free at the latest `duration` (at least two seconds) after the crash.
 *  2. Each lock has an engine, and so a lease, of its own: its resources share it.
 *  3. What can't be done safely is refused: several independent servers, other scripts.
 *
 * docs/migrating.md says what is the same and what is not.
 */
import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { debug } from '../debug.ts'
import type { RedisClient } from '../engines/redis/client.ts'
import { parseRedisOptions } from '../engines/redis/options.ts'
import { RedisSession } from '../engines/redis/session.ts'
import { slocket } from '../index.ts'
import type { Lock as SlocketLock } from '../lock.ts'
import { wallNowMs } from '../real-time.ts'
import type { ExecutionError, ExecutionResult, ExecutionStats } from './redlock-errors.ts'
import { toExecutionError, toVote, votesFor } from './redlock-errors.ts'
import { Hold } from './redlock-hold.ts'
import type { Settings } from './redlock-settings.ts'
import {
  checkDuration,
  checkResources,
  onlyClient,
  settingsOf,
  ttlMsOf,
  validMsOf,
  waitMsOf,
} from './redlock-settings.ts'

export { ExecutionError, ResourceLockedError } from './redlock-errors.ts'
export type { ExecutionResult, ExecutionStats } from './redlock-errors.ts'
export type { Settings } from './redlock-settings.ts'
export type { RedisClient } from '../engines/redis/client.ts'

/** The signal of `using`. Reading `aborted` or `error` checks the lock, as `lock.assertHeld()` of slocket does. */
export type RedlockAbortSignal = AbortSignal & { readonly error?: Error }

const holds = new WeakMap<Lock, Hold>()

/** A lock, as `redlock.acquire()` resolves with it. */
export class Lock {
  readonly redlock: Redlock
  readonly resources: string[]
  /** Identifies the lock. `extend` returns a lock with the same value. */
  readonly value: string
  readonly attempts: readonly Promise<ExecutionStats>[]
  /** The time until which it counts as valid, by `Date.now()`. 0 once it was released or extended. In `using`: `Infinity`. */
  expiration: number

  /** @internal */
  constructor(
    redlock: Redlock,
    resources: string[],
    value: string,
    attempts: readonly Promise<ExecutionStats>[],
    expiration: number,
  ) {
    this.redlock = redlock
    this.resources = resources
    this.value = value
    this.attempts = attempts
    this.expiration = expiration
  }

  /** The locks of slocket, in the order of `resources`: with `token`, `assertHeld()`, `signal` and `recovered`. Release them by {@link Lock.release}. */
  get locks(): readonly SlocketLock[] {
    return holdOf(this).set.locks
  }

  /** See {@link Redlock.release}. */
  async release(): Promise<ExecutionResult> {
    return await this.redlock.release(this)
  }

  /** See {@link Redlock.extend}. */
  async extend(duration: number): Promise<Lock> {
    return await this.redlock.extend(this, duration)
  }
}

/**
 * The class of redlock 5, over the engine for Redis of slocket: callers wait in a queue on the server, first come, first served.
 *
 * ```js
 * const redlock = new Redlock([client])
 * const lock = await redlock.acquire(['a'], 5000)
 * try {
 *   await something()
 * } finally {
 *   await lock.release()
 * }
 * ```
 *
 * Its locks and those of redlock itself do not exclude each other. It emits `error` for each operation that fails, as redlock does, and needs no listener for it.
 */
export class Redlock extends EventEmitter {
  /** The client, alone. */
  readonly clients: Set<RedisClient>
  readonly settings: Settings
  readonly #client: RedisClient
  readonly #session: RedisSession

  /**
   * @param clients one client of `redis`, `ioredis` or `iovalkey`: of one server, of a master with replicas behind Sentinel, or of a cluster. Several independent servers are refused.
   * @param settings see {@link Settings}.
   * @param scripts refused.
   * @throws TypeError, RangeError
   */
  constructor(clients: Iterable<RedisClient>, settings?: Partial<Settings>, scripts?: undefined) {
    super()
    // Without a listener, emitting `error` would throw.
    this.on('error', (error: unknown) => debug('redlock: %s', error))
    if (scripts !== undefined) throw new TypeError('slocket/redlock runs scripts of its own, and takes no others')
    this.#client = onlyClient(clients)
    this.clients = new Set([this.#client])
    this.settings = Object.freeze(settingsOf(settings))
    const { namespace, replicas } = this.settings
    this.#session = new RedisSession(parseRedisOptions({ client: this.#client, namespace, replicas }))
  }

  /** Closes the client, by its own `quit` or `close`. */
  async quit(): Promise<void> {
    const client = this.#client as { quit?(): unknown; close?(): unknown }
    await (client.quit === undefined ? client.close?.() : client.quit())
  }

  /**
   * Acquires the resources, all or none, one after the other, in an order that is the same for all callers. Waits for `retryCount * retryDelay` ms.
   *
   * @param duration for how long, in ms: a whole number, at least 1. Then this process releases them. If it crashes before that, they are free at most `duration`
   *   after the crash; or two seconds, if that is more; or a day, if that is less.
   * @throws (by the promise) {@link ExecutionError} if they can't be acquired; TypeError, RangeError.
   */
  async acquire(resources: string[], duration: number, settings?: Partial<Settings>): Promise<Lock> {
    const hold = await this.#hold(resources, duration, settings)
    hold.expireAfter(duration)
    return this.#lockOf(hold, randomBytes(16).toString('hex'), duration, settings)
  }

  /**
   * Releases a lock.
   *
   * @throws (by the promise) {@link ExecutionError} if it was no longer held: it had expired, or was lost or released.
   */
  async release(lock: Lock, _settings?: Partial<Settings>): Promise<ExecutionResult> {
    const hold = holdOf(lock)
    lock.expiration = 0
    await this.#attempt('release', () => hold.release())
    return { attempts: votesFor(this.#client) }
  }

  /**
   * Has a lock last for `duration` ms from now on, which may be sooner than before. Resolves, when the server has renewed its lease, with another object for the
   * same lock; the old one has the expiration 0 then. The lease never becomes shorter: if the process crashes, the longest `duration` that was given counts.
   *
   * @throws (by the promise) {@link ExecutionError} if it was no longer held, or if the server does not answer while it is; TypeError, RangeError.
   */
  async extend(existing: Lock, duration: number, settings?: Partial<Settings>): Promise<Lock> {
    checkDuration(duration)
    const hold = holdOf(existing)
    await this.#attempt('extend', () => hold.extend(duration))
    existing.expiration = 0
    return this.#lockOf(hold, existing.value, duration, settings)
  }

  /**
   * Acquires the resources, calls `routine`, and releases them. Meanwhile they are renewed, three times in each `duration` and every ten seconds at least. If one is lost, the signal
   * aborts before another caller can have it, also if the server does not answer. A process that was stopped knows at once if it reads `aborted`. Only a server that
   * forgets a lock (docs/engines/redis.md, Failures) gives it to another caller before that.
   *
   * @throws (by the promise) what `routine` throws; {@link ExecutionError} if they can't be acquired, or were lost meanwhile; TypeError, RangeError.
   */
  async using<T>(
    resources: string[],
    duration: number,
    settings: Partial<Settings>,
    routine?: (signal: RedlockAbortSignal, context: { readonly lock: Lock }) => Promise<T>,
  ): Promise<T>
  async using<T>(
    resources: string[],
    duration: number,
    routine: (signal: RedlockAbortSignal, context: { readonly lock: Lock }) => Promise<T>,
  ): Promise<T>
  async using<T>(resources: string[], duration: number, ...rest: readonly unknown[]): Promise<T> {
    const [settings, routine] = typeof rest[0] === 'function' ? [undefined, rest[0]] : rest
    if (typeof routine !== 'function') throw new TypeError('routine must be a function')
    const hold = await this.#hold(resources, duration, settings as Partial<Settings> | undefined)
    const lock = this.#lockOf(hold, randomBytes(16).toString('hex'), Infinity, undefined)
    let result: T
    try {
      result = await (routine as (...parameters: readonly unknown[]) => Promise<T>)(this.#signalOf(hold), { lock })
    } catch (error) {
      // An error of the routine comes first.
      await this.release(lock).catch(() => undefined)
      throw error
    }
    await this.release(lock)
    return result
  }

  async #hold(resources: unknown, duration: unknown, given: Partial<Settings> | undefined): Promise<Hold> {
    checkResources(resources)
    checkDuration(duration)
    const timeout = waitMsOf(settingsOf(given, this.settings))
    const lease = { ttlMs: ttlMsOf(duration), grows: true }
    const { engine, renew } = this.#session.engine(lease)
    const { set } = await this.#attempt('acquire', async () => ({
      set: await slocket.all(resources, { engine, timeout }),
    }))
    return new Hold({ resources, set, lease, renew })
  }

  async #attempt<T>(operation: string, attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error
      const vote = toVote(error)
      this.emit('error', vote)
      throw toExecutionError(operation, this.#client, vote, error)
    }
  }

  #lockOf(hold: Hold, value: string, duration: number, settings: Partial<Settings> | undefined): Lock {
    const isLasting = !hold.expires
    const expiration = isLasting ? Infinity : wallNowMs() + validMsOf(duration, settingsOf(settings, this.settings))
    const lock = new Lock(this, [...hold.resources], value, votesFor(this.#client), expiration)
    holds.set(lock, hold)
    return lock
  }

  #signalOf(hold: Hold): RedlockAbortSignal {
    const { signal } = hold.set
    let error: ExecutionError | undefined
    const look = (): boolean => {
      // Reading it checks the locks: a process that was stopped finds out at once.
      void hold.set.signal
      return Reflect.get(AbortSignal.prototype, 'aborted', signal)
    }
    const errorOf = (): ExecutionError | undefined => {
      if (look()) error ??= toExecutionError('extend', this.#client, toVote(signal.reason), signal.reason)
      return error
    }
    Object.defineProperties(signal, { aborted: { get: look }, error: { get: errorOf } })
    signal.addEventListener('abort', () => this.emit('error', toVote(signal.reason)), { once: true })
    return signal
  }
}

function holdOf(lock: Lock): Hold {
  const hold = holds.get(lock)
  if (hold === undefined) throw new TypeError('lock must be a lock of slocket/redlock')
  return hold
}

export { Redlock as default }
