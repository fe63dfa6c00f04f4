/** All presences of this process (or worker thread), which end when it exits. */
import type net from 'node:net'
import { debug } from '../../../debug.ts'
import { setImmediate } from '../../../real-time.ts'
import { isExiting } from '../../../requests/exiting.ts'
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

/** What all copies of this module in a process know of its `beforeExit`. */
interface BeforeExit {
  /** Whether its listeners run now, or have run in this turn of the event loop. */
  isNow: boolean
  /** How many servers are to be closed in the next turn. */
  waiting: number
}

const BEFORE_EXIT = Symbol.for('slocket.beforeExit')
/** More are closed at once: each takes a descriptor. */
const MOST_WAITING = 16

/**
 * Closes a server that doesn't keep the process alive. Node counts what is closing as something to wait for, and then emits `beforeExit` again: without end, if a
 * listener makes and closes a server each time, as a synchronous call does. So there, the server is closed in the next turn, if there is one.
 */
export function closeQuietly(server: net.Server): void {
  const beforeExit = watchBeforeExit()
  // While the process exits, there is no other turn, and others may wait for the end of the socket.
  if (!beforeExit.isNow || beforeExit.waiting >= MOST_WAITING || isExiting()) return void server.close()
  beforeExit.waiting += 1
  setImmediate(() => {
    beforeExit.waiting -= 1
    server.close()
  }).unref()
}

function watchBeforeExit(): BeforeExit {
  const shared = process as { [BEFORE_EXIT]?: BeforeExit }
  if (shared[BEFORE_EXIT] !== undefined) return shared[BEFORE_EXIT]
  const made: BeforeExit = { isNow: false, waiting: 0 }
  Object.defineProperty(shared, BEFORE_EXIT, { value: made })
  // If other listeners run already, it is called the next time: Node emits the event again because of this first server.
  process.prependListener('beforeExit', () => {
    made.isNow = true
    setImmediate(() => (made.isNow = false)).unref()
  })
  return made
}
