/** Whether somebody holds a lock: what `check` of slocket/proper-lockfile asks. */
import type { Engine } from '../requests/engine.ts'
import { refuseObstacle } from '../requests/obstacle.ts'

/** @throws ERR_SLOCKET_NOT_A_LOCK; what a system error means. */
export async function isLockHeld(engine: Engine, path: string): Promise<boolean> {
  const { held, obstacle } = await engine.query(path)
  refuseObstacle(obstacle)
  return held.length > 0
}
