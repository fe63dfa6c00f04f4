import { Redis } from 'ioredis'
import { slocket } from '../../../dist/index.mjs'
import { redis } from '../../../dist/engines/redis/index.mjs'

// The same client as the other contestants.
export function open({ redis: url }, name, { ttl, linger }) {
  const client = new Redis(url)
  const engine = redis({ client, ttl: ttl * 1000 })
  return {
    acquire: (resource = name) => slocket(resource, { engine, linger }),
    pending: async () => (await slocket.query(name, { engine })).pending.length,
    release: (lock) => lock.release(),
    isHeld: (lock) => !lock.signal.aborted,
    close: () => client.disconnect(),
  }
}
