/** Processes without /proc. */
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

/** The reason why there can't be any; false if there can. */
export const skipWithoutProc: string | false =
  reasonNotRoot() === false ? reasonWithout(WITHOUT_PROC[0]!, ...WITHOUT_PROC.slice(1), 'true') : 'needs root'
