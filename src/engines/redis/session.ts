/**
 * The engines that talk to Redis through one client: they share its connections, and each has leases of its own. `redis()` makes one engine. `slocket/redlock`
 * makes one for each lock, since each of its locks has a lease of its own length.
 */
import { randomBytes } from 'node:crypto'
import type { Engine } from '../../requests/engine.ts'
import { createTicketEngine } from '../../requests/ticket-engine.ts'
import { ownIdentity } from '../ticket-value.ts'
import { Connection } from './connection.ts'
import { channelPrefix } from './names.ts'
import type { Settings } from './options.ts'
import { query, queryAll } from './query.ts'
import type { QueueParts } from './queue.ts'
import { RedisQueue } from './queue.ts'
import type { Lease } from './renewals.ts'

export interface LeasedEngine {
  readonly engine: Engine
  /** Renews the leases of its locks, and resolves when the server has answered. Then each lock knows whether it is still held. @throws as `Connection.ask`. */
  readonly renew: () => Promise<void>
}

export class RedisSession {
  readonly #settings: Settings
  /** Ids and channels contain it, so it has none of the characters that separate it from a number. */
  readonly #id = randomBytes(12).toString('base64url')
  readonly #own: QueueParts['own'] = new Map()
  readonly #connection: Connection
  #engines = 0

  constructor(settings: Settings) {
    const own = this.#own
    this.#settings = settings
    this.#connection = new Connection(settings, channelPrefix(settings.namespace) + this.#id, {
      onMessage(message) {
        const space = message.indexOf(' ')
        const known = own.get(message.slice(0, space))
        if (known?.ticket.onNotice(message.slice(space + 1)) === false) known.renewals.look()
      },
      onGap() {
        for (const renewals of new Set([...own.values()].map((entry) => entry.renewals))) renewals.look()
      },
    })
  }

  /** @param lease is read at each renewal, so it may change. */
  engine(lease: Lease): LeasedEngine {
    const client = this.#engines === 0 ? this.#id : `${this.#id}~${this.#engines}`
    this.#engines += 1
    let lastNumber = 0
    const parts: QueueParts = {
      settings: this.#settings,
      lease,
      connection: this.#connection,
      identity: ownIdentity(this.#id),
      own: this.#own,
      nextId: () => `${client}.${(lastNumber += 1)}`,
    }
    const engine = createTicketEngine({
      name: 'redis',
      capabilities: {
        ordered: true,
        shared: true,
        permits: true,
        take: true,
        recovered: true,
        steal: true,
        downgrade: true,
      },
      resolve: (resource) => resource,
      open: (name) => new RedisQueue(parts, name),
      query: async (name, signal) => await query(parts, name, signal),
      queryAll: async () => await queryAll(parts),
    })
    const renew = async (): Promise<void> => {
      const entries = [...this.#own].filter(([id]) => id.startsWith(`${client}.`))
      const all = new Set(entries.map(([, { renewals }]) => renewals))
      await Promise.all([...all].map(async (renewals) => await renewals.renew()))
    }
    return { engine, renew }
  }
}
