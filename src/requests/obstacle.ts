/** What is at the path of a lock and isn't one: slocket makes a directory there. Nothing of it is ever touched. */
import { SlocketError } from '../errors.ts'
import type { Obstacle, ObstacleKind } from '../lock-state.ts'

export type { Obstacle, ObstacleKind }

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
