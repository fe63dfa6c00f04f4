// A directory and its modification time. By default it doesn't wait; `retries` sets how often it polls.
// `retries: N` retries after a second, then two, and so on. By default it retries here after 10 to 100 ms, which is in its favour.
// `stale` is its default, 10 s.
import lockfile from 'proper-lockfile'
import { RETRIES } from '../retries.js'

export function open(path, { retries = 'quick' }) {
  return {
    acquire: () => lockfile.lock(path, { retries: RETRIES[retries] }),
    release: (release) => release(),
    acquireSync: () => lockfile.lockSync(path),
    releaseSync: (release) => release(),
  }
}
