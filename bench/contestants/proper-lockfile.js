// A directory and its modification time. By default it does not wait at all; whoever makes it wait says how often to look.
// The default of `retry`, which it does that with, is 1 s, doubling. 10 to 100 ms is in its favour, and still what people use.
// `stale` is its default, 10 s.
import lockfile from 'proper-lockfile'
import { RETRIES } from '../retries.js'

export function open(path) {
  return {
    acquire: () => lockfile.lock(path, { retries: RETRIES }),
    release: (release) => release(),
    acquireSync: () => lockfile.lockSync(path),
    releaseSync: (release) => release(),
  }
}
