/**
 * Handles something at the path of a lock that isn't a directory: a regular file (another tool's lock file), or a socket
 * (slocket 1). It is another tool's lock: wait until it is gone, and touch nothing. This is the WATCH of the original algorithm.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Cancellation } from '../../../requests/cancellation.ts'
import { isOutOfDescriptors, leaveIdle } from '../../../requests/idle.ts'
import type { Obstacle } from '../../../requests/obstacle.ts'
import { isWaitedFor } from '../../../requests/obstacle.ts'
import { isSlocketError, SlocketError, systemCode } from '../../../errors.ts'
import { debug } from '../../../debug.ts'
import type { QueueDirectory } from '../directory.ts'
import { DirectoryGone } from '../lock-directory.ts'
import { describeObstacle } from './obstacle.ts'
import { probeSocket } from '../platform/probe-socket.ts'
import { SocketAddresses } from '../platform/socket-addresses.ts'
import { setTimeout, clearTimeout } from '../../../real-time.ts'

/** A watch may miss changes made elsewhere, or may not be possible at all (inotify's limits): look again after this time, too, in ms. */
const LOOK_AGAIN_MS = 1000
const WARN_AFTER_MS = 1000

/** Resolves when nothing foreign is at the path any more, or soon after a cancellation. */
export async function waitUntilForeignGone(directory: QueueDirectory, cancellation: Cancellation): Promise<void> {
  debug('%s is not a lock directory: waiting until it is gone', directory.path)
  // Bound: as long as something foreign is there; each round waits.
  while (!cancellation.cancelled && isForeignThere(directory)) {
    await new Promise<void>((resolve) => {
      let watcher: fs.FSWatcher | undefined
      const done = (): void => {
        clearTimeout(timer)
        watcher?.close()
        cancellation.stopListening(done)
        resolve()
      }
      const timer = setTimeout(done, LOOK_AGAIN_MS)
      try {
        watcher = fs.watch(directory.path, done)
        // Without a watch, the timer remains.
        watcher.on('error', () => watcher?.close())
      } catch (error) {
        if (systemCode(error) === undefined) throw error
        if (isOutOfDescriptors(error) && leaveIdle()) return done()
      }
      cancellation.listen(done)
      // RACE: it may have gone between the look above and the watch; then nothing will ever be reported.
      if (!isForeignThere(directory)) done()
    })
  }
}

/** False also if the look fails: the caller will find that out, and report it. */
function isForeignThere(directory: QueueDirectory): boolean {
  try {
    return directory.occupant() === 'foreign'
  } catch (error) {
    if (!isSlocketError(error)) throw error
    return false
  }
}

/**
 * Throws if what is in the way is a socket that nobody listens on: a leftover of slocket 1 that will not go away by
 * itself, and that nobody holds.
 */
export async function refuseDeadSocket(directory: QueueDirectory): Promise<void> {
  const obstacle = await findObstacle(directory)
  if (obstacle?.kind === 'dead-socket') throw new SlocketError('ERR_SLOCKET_DEAD_SOCKET', obstacle.message)
}

/** What is in the way of the lock; undefined if nothing is. Connects to a socket to see whether anybody listens. */
export async function findObstacle(directory: QueueDirectory): Promise<Obstacle | undefined> {
  const obstacle = directory.obstacle()
  if (obstacle?.kind !== 'socket' || (await askAt(directory.path)) !== 'ECONNREFUSED') return obstacle
  return describeObstacle('dead-socket', directory.path)
}

/** Warns once if an obstacle stays for a second while a request waits: it may have been left behind. Doesn't keep the process alive. */
export class ObstacleWarning {
  readonly #directory: QueueDirectory
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(directory: QueueDirectory) {
    this.#directory = directory
  }

  /** Must be called when the request begins to wait. */
  start(): void {
    this.#timer ??= setTimeout(() => void this.#warn(), WARN_AFTER_MS).unref()
  }

  /** Must be called when the request no longer waits. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #warn(): Promise<void> {
    try {
      const obstacle = await findObstacle(this.#directory)
      if (obstacle === undefined || !isWaitedFor(obstacle) || this.#isStopped) return
      process.emitWarning(`waiting for a lock: ${obstacle.message}`, { code: 'SLOCKET_OBSTACLE' })
    } catch (error) {
      debug('%s: cannot find out what is in the way: %s', this.#directory.path, error)
    }
  }
}

/** The error code of connecting to a socket; undefined if that succeeds, or if it can't be tried. */
async function askAt(socket: string): Promise<string | undefined> {
  const addresses = new SocketAddresses(path.dirname(socket))
  try {
    return systemCode(await probeSocket(addresses.of(path.basename(socket))))
  } catch (error) {
    if (error instanceof DirectoryGone || isSlocketError(error, 'ERR_SLOCKET_PATH_TOO_LONG')) return undefined
    throw error
  } finally {
    addresses.close()
  }
}
