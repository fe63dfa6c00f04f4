/**
 * The etcd engine: locks among machines, as a queue of keys in etcd (v3.4 or later). Start reading at queue.ts; docs/engines/etcd.md describes how it
 * works, and what happens in failures.
 */
import { randomBytes } from 'node:crypto'
import type { Engine } from '../../requests/engine.ts'
import { createTicketEngine } from '../../requests/ticket-engine.ts'
import { EtcdClient } from './client.ts'
import { queuePrefix } from './keys.ts'
import type { EtcdOptions } from './options.ts'
import { parseEtcdOptions } from './options.ts'
import { query, queryAll } from './query.ts'
import { EtcdQueue } from './queue.ts'
import { Sessions } from './sessions.ts'
import type { OwnTicket } from './ticket.ts'
import { ownIdentity } from '../ticket-value.ts'
import { WatchStream } from './watch-stream.ts'

/**
 * Creates an engine whose locks live in etcd, for all machines that can reach it. Each engine is one client with one connection: create one per process, and
 * use it for all locks. It connects for the first request, and disconnects some time after the last release.
 *
 * It requires the packages `@grpc/grpc-js` and `@grpc/proto-loader`: install them along with slocket.
 *
 * ```js
 * import { slocket } from 'slocket'
 * import { etcd } from 'slocket/etcd'
 *
 * const engine = etcd({ endpoints: ['http://10.0.0.1:2379', 'http://10.0.0.2:2379', 'http://10.0.0.3:2379'] })
 * const lock = await slocket('deploy', { engine })
 * ```
 *
 * A lock is a lease. If its holder crashes or is cut off from the network, the next waiter gets the lock after at most `ttl` milliseconds. A holder that
 * is cut off is notified before that, through `lock.signal` and `lock.assertHeld()`.
 *
 * @throws TypeError, RangeError for wrong or unknown options; TypeError for certificates and keys that can't be used.
 */
export function etcd(options: EtcdOptions): Engine {
  const settings = parseEtcdOptions(options)
  const { namespace, ttlMs } = settings
  const client = new EtcdClient(settings)
  const watches = new WatchStream(client)
  const sessions = new Sessions({ client, watches, namespace, ttlSeconds: Math.ceil(ttlMs / 1000) })
  const identity = ownIdentity(randomBytes(12).toString('base64url'))
  const own = new Set<OwnTicket>()
  const onlooker = { client, identity, own }
  let lastNumber = 0
  const nextNumber = (): number => (lastNumber += 1)
  return createTicketEngine({
    name: 'etcd',
    capabilities: {
      ordered: true,
      shared: true,
      permits: true,
      take: true,
      recovered: false,
      steal: true,
      downgrade: true,
    },
    resolve: (resource) => queuePrefix(namespace, resource),
    open: (prefix) => new EtcdQueue({ client, sessions, watches, identity, namespace, own, nextNumber }, prefix),
    query: async (prefix, signal) => await query(onlooker, prefix, signal),
    queryAll: async () => await queryAll(onlooker, namespace),
  })
}

export type { EtcdCredentials, EtcdOptions, EtcdTls } from './options.ts'
