/** Whether somebody holds a lock: what `check` of slocket/proper-lockfile asks. */
import type { Engine } from '../contract/engine.ts'
import { refuseObstacle } from '../contract/obstacle.ts'
import { isSlocketError, systemCode } from '../errors.ts'

/** False also if the path's parent is missing. @throws ERR_SLOCKET_NOT_A_LOCK; what a system error means. */
export async function isHeld(engine: Engine, path: string): Promise<boolean> {
  try {
    const { held, obstacle } = await engine.query(path)
    refuseObstacle(obstacle)
    return held.length > 0
  } catch (error) {
    if (isSlocketError(error, 'ERR_SLOCKET_NO_PARENT') && systemCode(error.cause) === 'ENOENT') return false
    throw error
  }
}
