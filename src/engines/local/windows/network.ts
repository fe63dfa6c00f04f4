/** Whether a directory is on a disk of this machine. A drive letter may be that of a network share. */
import fs from 'node:fs'
import path from 'node:path'
import { SlocketError, systemCode } from '../../../errors.ts'
import { isNetworkPath, networkError } from './paths.ts'

/** Wine 8 can't say what a longer path is: its GetFinalPathNameByHandleW has room for some 260 characters. The directories above tell whose disk it is on. */
const MOST_UNDER_WINE = 240
/** The errors of `realpath` that say something about the drive. After any other one, the next step fails for the same reason, and reports it. */
const UNSEEN: ReadonlySet<string> = new Set(['EISDIR', 'UNKNOWN'])

/**
 * Refuses a directory on a network share, whatever drive letter stands for the share.
 *
 * `realpath` fails on drives that the system's mount manager doesn't know (EISDIR: nodejs/node#6861), such as some RAM disks, and drives behind which a program
 * shows the files of another machine. Nothing tells these two from each other, so both are refused.
 *
 * @throws ERR_SLOCKET_NETWORK_FILE_SYSTEM.
 */
export function refuseNetwork(directory: string): void {
  let share: string | undefined
  try {
    share = shareBehind(directory)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    if (!UNSEEN.has(systemCode(error)!)) return
    if (systemCode(error) === 'UNKNOWN' && directory.length > MOST_UNDER_WINE)
      return refuseNetwork(path.dirname(directory))
    throw new SlocketError(
      'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
      `whether '${directory}' is on a disk of this machine cannot be seen (${systemCode(error)}): a local lock on a network share would not keep machines apart. ` +
        'Use a directory on a local disk, or an engine made for several machines',
      { cause: error },
    )
  }
  if (share !== undefined) throw networkError(directory)
}

/** What a directory on a network share really is. Undefined if it is on a local disk. @throws the system's error if that can't be seen. */
export function shareBehind(directory: string): string | undefined {
  const real = fs.realpathSync.native(directory)
  return isNetworkPath(real) ? real : undefined
}
