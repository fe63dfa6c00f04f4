/** Waits until something that counts as the lock of another program has gone from the lock's path, and emits one warning about it. */
import type { Cancellation } from '../../../requests/cancellation.ts'
import { isWaitedFor } from '../../../requests/obstacle.ts'
import { debug } from '../../../debug.ts'
import { systemCode } from '../../../errors.ts'
import { setTimeout, clearTimeout } from '../../../real-time.ts'
import { sleepFor } from '../sleep-for.ts'
import type { WindowsDirectory } from './directory.ts'

/** How often to check whether it has gone, in ms. A check is one system call. */
const LOOK_MS = 100
const WARN_AFTER_MS = 1000

export class ObstacleWait {
  readonly #directory: WindowsDirectory
  #timer: NodeJS.Timeout | undefined

  constructor(directory: WindowsDirectory) {
    this.#directory = directory
  }

  /** Resolves when it is time to check again: after a while, or soon after a cancellation. */
  async wait(cancellation: Cancellation): Promise<void> {
    this.#timer ??= setTimeout(() => this.#warn(), WARN_AFTER_MS).unref()
    await sleepFor(LOOK_MS, cancellation)
  }

  /** The request waits no longer. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  #warn(): void {
    try {
      const obstacle = this.#directory.obstacle()
      if (obstacle === undefined || !isWaitedFor(obstacle)) return
      process.emitWarning(`waiting for a lock: ${obstacle.message}`, { code: 'SLOCKET_OBSTACLE' })
    } catch (error) {
      if (systemCode(error) === undefined && !(error instanceof Error)) throw error
      debug('%s: cannot find out what is at the path: %s', this.#directory.path, error)
    }
  }
}
