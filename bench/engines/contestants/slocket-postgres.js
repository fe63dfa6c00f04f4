import { slocket } from '../../../dist/index.mjs'
import { postgres } from '../../../dist/engines/postgres/index.mjs'

export function open({ postgres: connectionString }, name) {
  const engine = postgres({ connectionString })
  return {
    acquire: () => slocket(name, { engine }),
    release: (lock) => lock.release(),
    isHeld: (lock) => !lock.signal.aborted,
    close() {},
  }
}
