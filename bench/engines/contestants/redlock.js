// @sesamecare-oss/redlock on one Redis. By default it gives up after ten tries; whoever waits here tries for ever, every 10 to 20 ms.
// Held by `using`, which extends by itself and has a signal; acquire and release are made of it.
import { Redlock } from '@sesamecare-oss/redlock'
import { Redis } from 'ioredis'

const SETTINGS = { retryCount: -1, retryDelay: 10, retryJitter: 10, automaticExtensionThreshold: 1000 }

export function open({ redis: url }, name, { ttl }) {
  const client = new Redis(url)
  const redlock = new Redlock([client], SETTINGS)
  // Rejections of what nobody waits for any more, in the hung-server test.
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
