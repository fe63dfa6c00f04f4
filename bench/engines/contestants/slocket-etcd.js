import { slocket } from '../../../dist/index.mjs'
import { etcd } from '../../../dist/engines/etcd/index.mjs'

export function open({ etcd: endpoints }, name, { ttl, linger }) {
  const engine = etcd({ endpoints, ttl: ttl * 1000 })
  return {
    acquire: (resource = name) => slocket(resource, { engine, linger }),
    pending: async () => (await slocket.query(name, { engine })).pending.length,
    release: (lock) => lock.release(),
    isHeld: (lock) => !lock.signal.aborted,
    close() {},
  }
}
