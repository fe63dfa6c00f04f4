/** The settings and arguments of `slocket/redlock`. As in redlock, a setting that isn't a number has its default, and unknown settings are ignored. */
import type { RedisClient } from '../engines/redis/client.ts'

/** Settings of `Redlock`, and of its calls. */
export interface Settings {
  /** The part of `duration` by which a lock counts as valid for less time, in `lock.expiration`. Default: `0.01`. */
  readonly driftFactor: number
  /** A call waits for a lock for `retryCount * retryDelay` ms. `0`: only if it is free. `-1`, `Infinity`, or more than 24 days in all: without a limit. Default: `10`. */
  readonly retryCount: number
  /** In ms. Default: `200`. */
  readonly retryDelay: number
  /** Ignored: nothing is tried again. Default: `100`. */
  readonly retryJitter: number
  /** Ignored: `using` renews a lock three times in each `duration`, and every ten seconds at least. Default: `500`. */
  readonly automaticExtensionThreshold: number
  /** As of `redis()`: locks of different namespaces differ. Of the constructor only. Default: `slocket`. */
  readonly namespace: string
  /** As of `redis()`: how many replicas must have a lock before it counts as acquired. Of the constructor only. Default: `0`. */
  readonly replicas: number
}

const DEFAULTS: Settings = {
  driftFactor: 0.01,
  retryCount: 10,
  retryDelay: 200,
  retryJitter: 100,
  automaticExtensionThreshold: 500,
  namespace: 'slocket',
  replicas: 0,
}
const LEAST_TTL_MS = 2000
const MOST_TTL_MS = 86_400_000
/** The largest `timeout` with a limit: 24 days. */
const LONGEST_WAIT_MS = 2 ** 31 - 1
/** What redlock allows for the precision of Redis, in ms. */
const PRECISION_MS = 2

/** @throws TypeError unless it is an object, or undefined. */
export function settingsOf(settings: unknown, base: Settings = DEFAULTS): Settings {
  if (settings === undefined) return base
  if (typeof settings !== 'object' || settings === null) throw new TypeError('settings must be an object')
  const given = settings as Record<string, unknown>
  const own = Object.keys(base).filter((name) => typeof given[name] === typeof base[name as keyof Settings])
  return { ...base, ...Object.fromEntries(own.map((name) => [name, given[name]])) }
}

/** How long to wait for a lock. @throws RangeError */
export function waitMsOf({ retryCount, retryDelay }: Settings): number {
  if (retryCount === -1 || retryCount === Infinity) return Infinity
  if (!(retryCount >= 0)) throw new RangeError(`settings.retryCount must be -1, 0 or more, not ${retryCount}`)
  const waitMs = retryCount === 0 ? 0 : Math.ceil(retryCount * Math.max(0, retryDelay))
  return waitMs > LONGEST_WAIT_MS ? Infinity : waitMs
}

/** For how long a lock counts as valid. */
export function validMsOf(durationMs: number, { driftFactor }: Settings): number {
  return durationMs - Math.round(driftFactor * durationMs) - PRECISION_MS
}

/** The lease on the server, in ms, which is renewed while the process lives. It has at least two seconds: pauses of the process would lose a shorter lease. */
export function ttlMsOf(durationMs: number): number {
  return Math.min(MOST_TTL_MS, Math.max(LEAST_TTL_MS, durationMs))
}

/** @throws TypeError, RangeError */
export function checkDuration(duration: unknown): asserts duration is number {
  if (typeof duration !== 'number') throw new TypeError('duration must be a number of milliseconds')
  if (!Number.isInteger(duration) || duration < 1) {
    throw new RangeError(`duration must be a whole number of ms, and at least 1, not ${duration}`)
  }
}

/** @throws TypeError */
export function checkResources(resources: unknown): asserts resources is readonly string[] {
  const isList = Array.isArray(resources) && resources.every((resource) => typeof resource === 'string')
  if (!isList || resources.length === 0) throw new TypeError('resources must be an array of strings, and not empty')
}

/** @throws TypeError unless there is exactly one client: several independent servers can't have one queue. */
export function onlyClient(clients: Iterable<RedisClient>): RedisClient {
  if (typeof (clients as Partial<Iterable<RedisClient>> | undefined)?.[Symbol.iterator] !== 'function') {
    throw new TypeError('clients must be an array with one client')
  }
  const [client, ...others] = new Set(clients)
  if (client === undefined || others.length > 0) {
    throw new TypeError(
      `slocket/redlock takes one client, of one server with its replicas or of one cluster, not ${others.length + (client === undefined ? 0 : 1)}: ` +
        'it has no majority of independent servers. For replicas, see settings.replicas; for a majority, use slocket/etcd',
    )
  }
  return client
}
