import { slocket } from '../../../dist/index.mjs'
import { etcd } from '../../../dist/engines/etcd/index.mjs'

export function open({ etcd: endpoints }, name, { ttl }) {
  const engine = etcd({ endpoints, ttl: ttl * 1000 })
  return {
    acquire: () => slocket(name, { engine }),
    release: (lock) => lock.release(),
    isHeld: (lock) => !lock.signal.aborted,
    close() {},
  }
}
