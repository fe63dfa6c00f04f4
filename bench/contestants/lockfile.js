// A file made with O_EXCL. Without `wait` it does not wait, without `stale` it never takes over from the dead. It looks every
// 100 ms by default; 10 ms is in its favour. `stale` is what proper-lockfile has.
import lockfile from 'lockfile'

const STALE_MS = 10_000

/** Made anew for each call: it writes into its options. */
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
