/** What is at the path of a lock and isn't one: slocket makes a directory there. Nothing of it is ever touched. */
import { SlocketError } from '../errors.ts'

/**
 * What is at the path of a lock instead of a lock.
 *
 * | kind | what it is | what a request does |
 * | --- | --- | --- |
 * | `file` | a regular file, such as a lock of flock(1) or lockfile | waits until it is gone |
 * | `socket` | a socket that another program listens on (slocket 1) | waits until it is gone |
 * | `dead-socket` | a socket that no program listens on | waits until it is gone; `try`: ERR_SLOCKET_DEAD_SOCKET |
 * | `mkdir-lock` | for `slocket/proper-lockfile` only: an empty directory made by proper-lockfile | waits until it is gone, or stale |
 * | `directory` | a directory with other content | ERR_SLOCKET_NOT_A_LOCK |
 * | `link` | a symbolic link, to whatever target | ERR_SLOCKET_NOT_A_LOCK |
 * | `fifo` | a named pipe | ERR_SLOCKET_NOT_A_LOCK |
 * | `device` | a character or block device | ERR_SLOCKET_NOT_A_LOCK |
 */
export type ObstacleKind = 'file' | 'socket' | 'dead-socket' | 'mkdir-lock' | 'directory' | 'link' | 'fifo' | 'device'

/** Something at the path of a lock that isn't a lock. */
export interface Obstacle {
  /** What it is, for programs. */
  readonly kind: ObstacleKind
  /** What it is, where, and what to do about it: for people. */
  readonly message: string
}

const WAITED_FOR: ReadonlySet<ObstacleKind> = new Set(['file', 'socket', 'dead-socket', 'mkdir-lock'])

/** Whether it may be the lock of another program, which goes when that is done. */
export function isWaitedFor({ kind }: Pick<Obstacle, 'kind'>): boolean {
  return WAITED_FOR.has(kind)
}

/** @throws ERR_SLOCKET_NOT_A_LOCK if it is one that nobody waits for. */
export function refuseObstacle(obstacle: Obstacle | undefined): void {
  if (obstacle !== undefined && !isWaitedFor(obstacle))
    throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', obstacle.message)
}
