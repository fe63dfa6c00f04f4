// slocket as users get it: compiled, from dist/.
import slocket, { local } from '../../dist/index.mjs'

/** With `ownClient`, the handle is a separate client: it shares nothing with other requests of its process. */
export function open(path, { ownClient = false, ...claim } = {}) {
  const options = ownClient ? { ...claim, engine: local() } : claim
  return {
    acquire: () => slocket(path, options),
    release: (lock) => lock.release(),
    acquireSync: () => slocket.sync(path, options),
    releaseSync: (lock) => lock.release(),
  }
}
