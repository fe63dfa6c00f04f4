/** Waits until what counts as the lock of another program has gone from the path of a lock, and warns of it once. */
import type { Cancellation } from '../../../requests/cancellation.ts'
import { isWaitedFor } from '../../../requests/obstacle.ts'
import { debug } from '../../../debug.ts'
import { systemCode } from '../../../errors.ts'
import { setTimeout, clearTimeout } from '../../../real-time.ts'
import { sleepFor } from '../sleep-for.ts'
import type { WindowsDirectory } from './directory.ts'

/** How often it is looked whether it has gone, in ms. One look is one system call. */
const LOOK_MS = 100
const WARN_AFTER_MS = 1000

export class ObstacleWait {
  readonly #directory: WindowsDirectory
  #timer: NodeJS.Timeout | undefined

  constructor(directory: WindowsDirectory) {
    this.#directory = directory
  }

  /** Resolves after a while, or soon after a cancellation: then it is to be looked again. */
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
      debug('%s: what is in the way cannot be told: %s', this.#directory.path, error)
    }
  }
}
