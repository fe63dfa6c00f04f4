/**
 * The engine for Redis and Valkey: locks among machines, as a queue on the server. Start reading at queue.ts; docs/engines/redis.md says how it works, and
 * what failures do to it.
 */
import { randomBytes } from 'node:crypto'
import type { Engine } from '../../requests/engine.ts'
import { createTicketEngine } from '../../requests/ticket-engine.ts'
import { ownIdentity } from '../ticket-value.ts'
import { Connection } from './connection.ts'
import { channelPrefix } from './names.ts'
import type { RedisOptions } from './options.ts'
import { parseRedisOptions } from './options.ts'
import { query, queryAll } from './query.ts'
import type { QueueParts } from './queue.ts'
import { RedisQueue } from './queue.ts'

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
 * A lock is a lease. If its holder crashes or is cut off from the network, the next waiter gets the lock after at most `ttl` milliseconds. A holder that
 * is cut off learns of it before that, by `lock.signal` and `lock.assertHeld()`. If Redis fails over, or restarts without its data, it may forget a lock:
 * then two hold it.
 *
 * @param options see {@link RedisOptions}.
 * @throws TypeError, RangeError for wrong or unknown options.
 */
export function redis(options: RedisOptions): Engine {
  const settings = parseRedisOptions(options)
  // Ids and channels are made of it: without the dot that separates it from a number.
  const client = randomBytes(12).toString('base64url')
  const own: QueueParts['own'] = new Map()
  const connection = new Connection(settings, channelPrefix(settings.namespace) + client, {
    onMessage(message) {
      const space = message.indexOf(' ')
      own.get(message.slice(0, space))?.ticket.onNotice(message.slice(space + 1))
    },
    onGap() {
      for (const queue of new Set([...own.values()].map((entry) => entry.queue))) queue.look()
    },
  })
  let lastNumber = 0
  const parts: QueueParts = {
    settings,
    connection,
    identity: ownIdentity(client),
    own,
    nextId: () => `${client}.${(lastNumber += 1)}`,
  }
  return createTicketEngine({
    name: 'redis',
    capabilities: { ordered: true, shared: true, permits: true, take: true, recovered: true, steal: true },
    resolve: (resource) => resource,
    open: (name) => new RedisQueue(parts, name),
    query: async (name, signal) => await query(parts, name, signal),
    queryAll: async () => await queryAll(parts),
  })
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
