/**
 * The engine for Redis and Valkey: locks among machines, as a queue on the server. Start reading at queue.ts; docs/engines/redis.md says how it works, and
 * what failures do to it.
 */
import type { Engine } from '../../requests/engine.ts'
import type { RedisOptions } from './options.ts'
import { parseRedisOptions } from './options.ts'
import { RedisSession } from './session.ts'

/**
 * Makes an engine whose locks live in Redis (6 or later) or Valkey, for all processes that can reach it. Make one per process, and use it for all locks.
 *
 * It uses your client, or makes one for a URL, by one of the packages `redis`, `ioredis` and `iovalkey`: install one of them beside slocket.
 *
 * ```js
 * const engine = redis({ client }) // or redis({ url: 'redis://cache.example' })
 * const lock = await slocket('deploy', { engine })
 * ```
 *
 * A lock is a lease. If its holder crashes or is cut off from the network, the next waiter gets the lock after at most `ttl` milliseconds. Before that,
 * `lock.signal` aborts and `lock.assertHeld()` throws in a holder that is cut off. If Redis fails over, or restarts without its data, it may forget a lock:
 * then two hold it.
 *
 * @param options see {@link RedisOptions}.
 * @throws TypeError, RangeError for wrong or unknown options.
 */
export function redis(options: RedisOptions): Engine {
  const settings = parseRedisOptions(options)
  return new RedisSession(settings).engine({ ttlMs: settings.ttlMs }).engine
}

export type { RedisClient } from './client.ts'
export type { RedisOptions } from './options.ts'
export type {
  AcquireRequest,
  Engine,
  EngineCapabilities,
  EngineSnapshot,
  Grant,
  Requester,
} from '../../requests/engine.ts'
export type { Obstacle, ObstacleKind } from '../../requests/obstacle.ts'
export type { Claim, ExclusiveClaim, PermitClaim, SharedClaim } from '../../core/claim.ts'
