/** All presences of this process (or worker thread), which end when it exits. */
import { SlocketError } from '../../errors.ts'
import { kernelId } from './kernel.ts'
import type { Presence } from './presence.ts'

/** Of all clients in this process: one listener for its exit. */
const allPresent = new Set<Presence>()

/** No signal handlers: they are the application's, and nothing here needs a goodbye. */
export function leaveAll(): void {
  for (const presence of allPresent) presence.leave()
}

export function appear(presence: Presence): void {
  if (allPresent.size === 0) process.on('exit', leaveAll)
  allPresent.add(presence)
}

export function disappear(presence: Presence): void {
  allPresent.delete(presence)
  if (allPresent.size === 0) process.off('exit', leaveAll)
}

/** Before anything is made. */
export function refuseOtherPlatforms(): void {
  if (process.platform === 'win32') {
    throw new SlocketError(
      'ERR_SLOCKET_UNSUPPORTED_PLATFORM',
      'local locks need Unix sockets in directories: not on Windows',
    )
  }
  // Throws where a runtime cannot read its clock. Known from then on.
  kernelId()
}
