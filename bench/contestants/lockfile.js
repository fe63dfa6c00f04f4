// A file created with O_EXCL. Without `wait` it doesn't wait; without `stale` it never takes over the lock of a dead process. It polls every
// 100 ms by default; 10 ms is in its favour. `stale` is the default of proper-lockfile.
import lockfile from 'lockfile'

const STALE_MS = 10_000

/** A new object for each call: the package writes into its options. */
const options = () => ({ wait: 3_600_000, pollPeriod: 10, stale: STALE_MS })

export function open(path) {
  return {
    acquire: () =>
      new Promise((resolve, reject) => {
        lockfile.lock(path, options(), (error) => (error ? reject(error) : resolve()))
      }),
    release: () => new Promise((resolve) => lockfile.unlock(path, resolve)),
    acquireSync: () => lockfile.lockSync(path, { stale: STALE_MS }),
    releaseSync: () => lockfile.unlockSync(path),
  }
}
