// The Mutex of redis-semaphore. By default it retries every 10 ms for 10 s; here it retries without a limit.
import { Redis } from 'ioredis'
import { Mutex } from 'redis-semaphore'

export function open({ redis: url }, name, { ttl }) {
  const client = new Redis(url)
  return {
    async acquire() {
      const held = { isLost: false, mutex: undefined }
      const onLockLost = () => (held.isLost = true)
      held.mutex = new Mutex(client, `semaphore/${name}`, {
        lockTimeout: ttl * 1000,
        acquireTimeout: 600_000,
        onLockLost,
      })
      await held.mutex.acquire()
      return held
    },
    release: ({ mutex }) => mutex.release(),
    isHeld: ({ mutex, isLost }) => mutex.isAcquired && !isLost,
    close: () => client.disconnect(),
  }
}
