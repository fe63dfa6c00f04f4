// slocket/proper-lockfile as users get it, with the same options as proper-lockfile here.
import lockfile from '../../dist/compat/proper-lockfile.mjs'
import { RETRIES } from '../retries.js'

export function open(path, { retries = 'quick' }) {
  return {
    acquire: () => lockfile.lock(path, { retries: RETRIES[retries] }),
    release: (release) => release(),
    acquireSync: () => lockfile.lockSync(path),
    releaseSync: (release) => release(),
  }
}
