/** All presences of this process (or worker thread), which end when it exits. */
import type net from 'node:net'
import { debug } from '../../../debug.ts'
import { setImmediate } from '../../../real-time.ts'
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

/** Whether listeners for `beforeExit` run now, or have run in this turn of the event loop. */
let isBeforeExit: boolean | undefined

/**
 * Closes a server that doesn't keep the process alive. Node counts what is closing as something to wait for, and then emits `beforeExit` again: without end, if a
 * listener makes and closes a server each time, as a synchronous call does. So there, the server is closed in the next turn, if there is one.
 */
export function closeQuietly(server: net.Server): void {
  if (isBeforeExit === undefined) {
    isBeforeExit = false
    // It doesn't run in this turn any more if other listeners are running, but in the turn that Node makes for this first server.
    process.prependListener('beforeExit', () => {
      isBeforeExit = true
      setImmediate(() => (isBeforeExit = false)).unref()
    })
  }
  if (isBeforeExit) setImmediate(() => server.close()).unref()
  else server.close()
}
