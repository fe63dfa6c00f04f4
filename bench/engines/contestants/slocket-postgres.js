import { slocket } from '../../../dist/index.mjs'
import { postgres } from '../../../dist/engines/postgres/index.mjs'

export function open({ postgres: connectionString }, name, { maxConnections, linger }) {
  const engine = postgres({ connectionString, ...(maxConnections === undefined ? {} : { maxConnections }) })
  return {
    acquire: (resource = name) => slocket(resource, { engine, linger }),
    pending: async () => (await slocket.query(name, { engine })).pending.length,
    release: (lock) => lock.release(),
    isHeld: (lock) => !lock.signal.aborted,
    close() {},
  }
}
