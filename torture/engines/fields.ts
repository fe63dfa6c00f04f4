/** What a round runs on: its own servers, the engine, and the nemeses. */
import type { Random } from '../../src/testing/random.ts'
import type { Arena } from '../../test/engines/helpers/arena.ts'
import type { EngineSpec } from '../../test/engines/helpers/client.ts'
import { etcdEngine } from '../../test/engines/helpers/etcd-arena.ts'
import { redisEngine } from '../../test/engines/helpers/redis-arena.ts'
import { Island } from '../../test/engines/helpers/island.ts'
import { Pooler } from '../../test/engines/helpers/pooler.ts'
import type { Order } from '../../test/engines/helpers/trace.ts'
import type { Server } from '../../test/engines/helpers/servers.ts'
import { engineAt, openToIslands, pooledEngineAt } from '../../test/engines/postgres/island.ts'
import type { Nemesis } from './nemeses.ts'
import { LONG, LONG_MS, NEMESES, REVOKED_WHILE_CUT_OFF } from './nemeses.ts'
import type { Wait } from './order.ts'
import { QueueWatch } from './queue-watch.ts'
import { REDIS_NEMESES, RedisQueueWatch } from './redis.ts'
import { HOLDERS_CUT_OFF, POOLER_SIZE, poolerNemeses, POSTGRES_NEMESES } from './postgres.ts'

/** The client that can be cut off. */
export const ISLANDER = 'islander'

export interface Field {
  readonly server: Server
  readonly nemeses: readonly Nemesis[]
  /** The nemesis that each round begins with. */
  readonly first?: Nemesis
  /** True if its locks can be downgraded. */
  readonly canDowngrade: boolean
  /** What each client does besides. */
  readonly furtherLoops: (random: Random, holdMs: number, isIslander: boolean) => Order[]
  /** Watches the queue from outside, to check the order of grants. */
  readonly watchQueue?: (address: string) => QueueSeen
  prepare(arena: Arena, address: string): Promise<Ground>
}

/** A watch of the queues, from outside. */
export interface QueueSeen extends AsyncDisposable {
  /** Stops the watch. Returns the waiters that it has seen. */
  end(): Promise<readonly Wait[]>
}

interface Ground {
  readonly engine: EngineSpec
  readonly openIsland: () => Promise<Island>
  /** The nemeses for what `prepare` has started. */
  readonly nemeses?: readonly Nemesis[]
}

/** Some requests take one permit, some two. */
function permitsLoop(random: Random, holdMs: number): Order {
  return { do: 'loop', resource: 'permits', holdMs, options: { permits: 3, take: 1 + random.below(2) } }
}

export const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  [
    'etcd',
    {
      server: 'cluster',
      nemeses: NEMESES,
      first: REVOKED_WHILE_CUT_OFF,
      canDowngrade: true,
      furtherLoops: (random, holdMs, isIslander) => [
        permitsLoop(random, holdMs),
        { do: 'loop', resource: LONG, holdMs: isIslander ? LONG_MS : holdMs },
      ],
      prepare: (arena, endpoints) =>
        Promise.resolve({
          engine: etcdEngine(endpoints),
          openIsland: () => Island.open(arena, ISLANDER, endpoints.split(','), etcdEngine),
        }),
    },
  ],
  [
    'postgres',
    {
      server: 'postgres',
      nemeses: POSTGRES_NEMESES,
      first: HOLDERS_CUT_OFF,
      canDowngrade: true,
      furtherLoops: (random, holdMs, isIslander) => [
        // Some are cancelled at the moment of the grant.
        { do: 'loop', resource: 'hurried', holdMs, options: { timeout: 20 + random.below(300) } },
        { do: 'loop', resource: LONG, holdMs: isIslander ? LONG_MS : holdMs },
        permitsLoop(random, holdMs),
        // In one queue several times.
        { do: 'loop', as: 'exclusive too', resource: 'exclusive', holdMs },
        { do: 'loop', as: 'shared, or not', resource: 'shared', holdMs },
      ],
      watchQueue: (url) => new QueueWatch(url, ['exclusive', 'shared', 'hurried', 'permits', LONG]),
      async prepare(arena, url) {
        const port = await openToIslands(arena.servers)
        const islandEngine = (_: unknown, here: string): EngineSpec =>
          engineAt(`postgres://postgres@${here}:${port}/postgres`)
        return { engine: engineAt(url), openIsland: () => Island.open(arena, ISLANDER, [], islandEngine) }
      },
    },
  ],
  [
    'pooler',
    {
      server: 'postgres',
      nemeses: POSTGRES_NEMESES,
      first: HOLDERS_CUT_OFF,
      canDowngrade: false,
      furtherLoops: (random, holdMs, isIslander) => [
        { do: 'loop', resource: 'hurried', holdMs, options: { timeout: 20 + random.below(300) } },
        { do: 'loop', resource: LONG, holdMs: isIslander ? LONG_MS : holdMs },
        // In one queue several times.
        { do: 'loop', as: 'exclusive too', resource: 'exclusive', holdMs },
        { do: 'loop', as: 'shared, or not', resource: 'shared', holdMs },
      ],
      watchQueue: (url) => new QueueWatch(url, ['exclusive', 'shared', 'hurried', LONG]),
      async prepare(arena, url) {
        const pooler = arena.use(await Pooler.start(url, 'transaction', POOLER_SIZE))
        return {
          engine: pooledEngineAt(pooler.url),
          openIsland: () =>
            Island.open(arena, ISLANDER, [pooler.url], ([inside]) =>
              pooledEngineAt(`postgres://postgres@${inside}/postgres`),
            ),
          nemeses: poolerNemeses(pooler),
        }
      },
    },
  ],
  [
    'redis',
    {
      server: 'redis-aof',
      nemeses: REDIS_NEMESES,
      canDowngrade: true,
      furtherLoops: (random, holdMs, isIslander) => [
        permitsLoop(random, holdMs),
        // Some are cancelled at the moment of the grant.
        { do: 'loop', resource: 'hurried', holdMs, options: { timeout: 20 + random.below(300) } },
        { do: 'loop', resource: LONG, holdMs: isIslander ? LONG_MS : holdMs },
        // In one queue several times.
        { do: 'loop', as: 'exclusive too', resource: 'exclusive', holdMs },
      ],
      watchQueue: (url) => new RedisQueueWatch(url, ['exclusive', 'shared', 'hurried', 'permits', LONG]),
      prepare: (arena, url) =>
        Promise.resolve({
          engine: redisEngine(url),
          openIsland: () =>
            Island.open(arena, ISLANDER, [url], ([inside]) => redisEngine(`redis://${inside}`, 'ioredis 6')),
        }),
    },
  ],
])
