/** Deals with something at the path of a lock that isn't a lock: slocket would create a directory there. It is never touched. */
import { SlocketError } from '../errors.ts'
import type { Obstacle, ObstacleKind } from '../lock-state.ts'

export type { Obstacle, ObstacleKind }

const WAITED_FOR: ReadonlySet<ObstacleKind> = new Set(['file', 'socket', 'dead-socket', 'mkdir-lock'])

/** Whether it may be the lock of another program, which removes it when it is done. */
export function isWaitedFor({ kind }: Pick<Obstacle, 'kind'>): boolean {
  return WAITED_FOR.has(kind)
}

/** @throws ERR_SLOCKET_NOT_A_LOCK if requests don't wait for an obstacle of this kind. */
export function refuseObstacle(obstacle: Obstacle | undefined): void {
  if (obstacle !== undefined && !isWaitedFor(obstacle))
    throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', obstacle.message)
}
