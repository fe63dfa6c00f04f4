/** Processes that have no /proc. */
import { reasonNotRoot, reasonWithout } from './privileges.ts'

/** For `Scene.spawn`. */
export const WITHOUT_PROC: readonly string[] = [
  'unshare',
  '-m',
  '--kill-child',
  '-f',
  'sh',
  '-c',
  'mount -t tmpfs none /proc; exec "$@"',
  'sh',
]

/** Why there can be none; false where there can. */
export const skipWithoutProc: string | false =
  reasonNotRoot() === false ? reasonWithout(WITHOUT_PROC[0]!, ...WITHOUT_PROC.slice(1), 'true') : 'needs root'
