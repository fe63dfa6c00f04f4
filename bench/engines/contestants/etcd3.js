// The npm package etcd3. Its lock doesn't wait: waiters retry.
import { Etcd3, EtcdLockFailedError } from 'etcd3'

const RETRY_MS = 20
const JITTER_MS = 30

export function open({ etcd: hosts }, name, { ttl }) {
  const client = new Etcd3({ hosts })
  return {
    async acquire() {
      for (;;) {
        const lock = client.lock(`etcd3/${name}`).ttl(ttl)
        try {
          await lock.acquire()
          return { lock, isLost: false }
        } catch (error) {
          if (!(error instanceof EtcdLockFailedError)) throw error
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS + Math.random() * JITTER_MS))
        }
      }
    },
    release: ({ lock }) => lock.release(),
    // The package has nothing that tells whether it holds.
    isHeld: () => true,
    close: () => client.close(),
  }
}
