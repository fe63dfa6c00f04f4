/** Nemeses for a Redis server that writes each command to disk. Those for clients and networks are the same as with etcd. */
import { Redis } from 'ioredis'
import { pass } from '../../test/helpers/until.ts'
import type { QueueSeen } from './fields.ts'
import type { Nemesis, Scene } from './nemeses.ts'
import { NEMESES } from './nemeses.ts'
import type { Wait } from './order.ts'

/** Some pauses are shorter than the TTL, some longer. */
const LONGEST_MS = 6000
const PAUSE_MS = 5
const NODE = 'redis-aof'

async function administer(url: string, ...command: readonly string[]): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 1 })
  client.on('error', () => {})
  try {
    await client.call(command[0]!, ...command.slice(1))
  } catch {
    // The server may be down.
  } finally {
    client.disconnect()
  }
}

export const REDIS_NEMESES: readonly Nemesis[] = [
  ...NEMESES.filter(({ name }) => /^(clients|clocks) /.test(name)),
  {
    name: 'servers killed',
    async strike(scene) {
      await scene.arena.servers.signal(NODE, 'SIGKILL')
      await pass(pauseMs(scene))
      await scene.arena.servers.restart(NODE)
    },
  },
  {
    name: 'servers stopped',
    async strike(scene) {
      await scene.arena.servers.signal(NODE, 'SIGSTOP')
      await pass(pauseMs(scene))
      await scene.arena.servers.signal(NODE, 'SIGCONT')
    },
  },
  {
    name: 'connections ended',
    strike: ({ endpoints, random }) =>
      administer(endpoints, 'CLIENT', 'KILL', 'TYPE', random.pick(['normal', 'pubsub']), 'SKIPME', 'yes'),
  },
  { name: 'scripts forgotten', strike: ({ endpoints }) => administer(endpoints, 'SCRIPT', 'FLUSH') },
  {
    name: 'memory used up',
    async strike(scene) {
      await administer(scene.endpoints, 'CONFIG', 'SET', 'maxmemory', '1')
      await pass(pauseMs(scene))
      await administer(scene.endpoints, 'CONFIG', 'SET', 'maxmemory', '0')
    },
  },
  {
    name: 'writes held up',
    strike: async (scene) => {
      await administer(scene.endpoints, 'CLIENT', 'PAUSE', String(pauseMs(scene)), 'WRITE')
    },
  },
]

function pauseMs({ random }: Scene): number {
  return random.below(2) === 0 ? 0 : random.below(LONGEST_MS)
}

/** Lists the waiters in the queues again and again, whatever happens to the server. */
export class RedisQueueWatch implements QueueSeen {
  readonly #client: Redis
  readonly #resources: readonly string[]
  readonly #waits: Wait[] = []
  /** The waiters of the last listing, by resource and ticket. */
  readonly #current = new Map<string, ReadonlyMap<string, Wait>>()
  #isOver = false
  readonly #watching: Promise<void>

  constructor(url: string, resources: readonly string[]) {
    this.#client = new Redis(url, { maxRetriesPerRequest: 0, commandTimeout: 1000 })
    this.#client.on('error', () => {})
    this.#resources = resources
    this.#watching = this.#watch()
  }

  async end(): Promise<readonly Wait[]> {
    this.#isOver = true
    await this.#watching
    this.#client.disconnect()
    for (const resource of this.#resources) this.#see(resource, new Map())
    return this.#waits
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      for (const resource of this.#resources) await this.#look(resource).catch(() => undefined)
      await pass(PAUSE_MS)
    }
  }

  async #look(resource: string): Promise<void> {
    const prefix = `slocket:{${resource}}:`
    const beforeAt = Number(process.hrtime.bigint())
    // All in one transaction.
    const replies = await this.#client
      .multi()
      .zrange(`${prefix}queue`, 0, '-1')
      .hkeys(`${prefix}held`)
      .hgetall(`${prefix}tickets`)
      .exec()
    const afterAt = Number(process.hrtime.bigint())
    const [ids, held, tickets] = (replies ?? []).map(([, reply]) => reply) as [
      string[],
      string[],
      Record<string, string>,
    ]
    const seen = new Map<string, Wait>()
    for (const id of ids.filter((ticket) => !held.includes(ticket))) {
      const { seenAt } = this.#current.get(resource)?.get(id) ?? { seenAt: afterAt }
      const isShared = tickets[id]!.startsWith('s ')
      seen.set(id, { resource, isShared, seenAt, stillAt: beforeAt, what: `ticket ${id}` })
    }
    this.#see(resource, seen)
  }

  /** A ticket that is gone may return: if a request to join is repeated after its lease has run out, it has another place. */
  #see(resource: string, seen: ReadonlyMap<string, Wait>): void {
    for (const [id, wait] of this.#current.get(resource) ?? []) if (!seen.has(id)) this.#waits.push(wait)
    this.#current.set(resource, seen)
  }
}
