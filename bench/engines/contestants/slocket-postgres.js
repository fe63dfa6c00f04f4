import { slocket } from '../../../dist/index.js'
import { postgres } from '../../../dist/engines/postgres/index.js'

export function open({ postgres: connectionString }, name) {
  const engine = postgres({ connectionString })
  return {
    acquire: () => slocket(name, { engine }),
    release: (lock) => lock.release(),
    isHeld: (lock) => !lock.signal.aborted,
    close() {},
  }
}
