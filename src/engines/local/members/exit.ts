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
 * Removes all that this process does not need until its end. What it holds it goes on holding: listeners for `exit` may
 * still use what the lock protects. No signal handlers: they are the application's, and the kernel closes what is open.
 */
export function leaveAll(): void {
  for (const presence of allPresent) {
    try {
      presence.leave()
    } catch (error) {
      // The others must leave all the same.
      debug('a presence could not leave: %s', error)
    }
  }
}

export function appear(presence: Leaving): void {
  // Before the application's own listeners, which may take long: those who wait here must not hold up others meanwhile.
  if (allPresent.size === 0) process.prependListener('exit', leaveAll)
  allPresent.add(presence)
}

export function disappear(presence: Leaving): void {
  allPresent.delete(presence)
  if (allPresent.size === 0) process.off('exit', leaveAll)
}

/** Before anything is made. */
export function refuseOtherPlatforms(): void {
  // Throws where a runtime cannot read its clock. Known from then on.
  kernelId()
}
