/** All presences of this process (or worker thread), which end when it exits. */
import { debug } from '../../../debug.ts'
import { kernelId } from '../platform/kernel.ts'

/** What ends when the process exits. */
interface Leaving {
  leave(): void
}

/** Of all clients in this process: one listener for its exit. */
const allPresent = new Set<Leaving>()

/**
 * Removes everything that this process no longer needs before its end. It goes on holding its locks: listeners for `exit` may
 * still use what a lock protects. There are no signal handlers: those belong to the application, and the kernel closes what is open.
 */
export function leaveAll(): void {
  for (const presence of allPresent) {
    try {
      presence.leave()
    } catch (error) {
      // The other presences must leave all the same.
      debug('a presence could not leave: %s', error)
    }
  }
}

export function appear(presence: Leaving): void {
  // Runs before the application's own listeners, which may take long: requests that wait here must not hold up others meanwhile.
  if (allPresent.size === 0) process.prependListener('exit', leaveAll)
  allPresent.add(presence)
}

export function disappear(presence: Leaving): void {
  allPresent.delete(presence)
  if (allPresent.size === 0) process.off('exit', leaveAll)
}

/** Before anything is made. */
export function refuseOtherPlatforms(): void {
  // Throws if a runtime cannot read its clock. Known from then on.
  kernelId()
}
