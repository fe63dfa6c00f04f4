// @sesamecare-oss/redlock with one Redis. By default it gives up after ten retries; here it retries without a limit, every 10 to 20 ms.
// It holds with `using`, which extends the lock and has a signal; acquire and release are built from it.
import { Redlock } from '@sesamecare-oss/redlock'
import { Redis } from 'ioredis'

const SETTINGS = { retryCount: -1, retryDelay: 10, retryJitter: 10, automaticExtensionThreshold: 1000 }

export function open({ redis: url }, name, { ttl }) {
  const client = new Redis(url)
  const redlock = new Redlock([client], SETTINGS)
  // In the hung-server test, promises are rejected that nobody awaits any more.
  redlock.on('error', () => {})
  return {
    acquire: () =>
      new Promise((resolve, reject) => {
        const body = (signal) => new Promise((release) => resolve({ signal, release: () => release(), done }))
        const done = redlock.using([`redlock/${name}`], ttl * 1000, body)
        done.catch(reject)
      }),
    async release(held) {
      held.release()
      await held.done
    },
    isHeld: ({ signal }) => !signal.aborted,
    close: () => client.disconnect(),
  }
}
