/**
 * `slocket flock`, or a link named `flock`: the command line of flock(1) with locks of slocket.
 *
 * FILE stays a file. Its lock is the directory FILE.lock next to the file's real path, so that all names that lead to the file
 * through symbolic links have the same lock. As with flock(1), a FILE that is missing is created, and stays.
 */
import fs from 'node:fs'
import { SlocketError, systemCode } from '../errors.ts'
import { toSlocketError } from '../engines/local/platform/system-error.ts'
import { parseFlock } from './flock-options.ts'
import type { FlockRequest } from './flock-options.ts'
import { isLock } from './is-lock.ts'
import { runUnderLock, runWithoutLock } from './run.ts'
import type { RunRequest } from './run-options.ts'

const MODE = 0o666
/** How often FILE may be removed between its creation and a look at it. */
const MOST_TRIES = 100

/** Ends the process as the command ended, or returns what else was asked for. @throws UsageError; what is wrong with FILE. */
export async function flock(parameters: readonly string[]): Promise<'help' | 'version'> {
  const asked = parseFlock(parameters)
  if (asked === 'help' || asked === 'version') return asked
  const request = toRunRequest(asked, lockBeside(asked.file))
  return await (asked.isUnlock ? runWithoutLock : runUnderLock)(request)
}

function toRunRequest(asked: FlockRequest, lock: string): RunRequest {
  const { command, isTry, isClosed, isVerbose, conflictStatus } = asked
  return {
    lock,
    command,
    options: {
      mode: asked.isShared ? 'shared' : 'exclusive',
      permits: undefined,
      take: undefined,
      timeout: isTry ? undefined : asked.timeoutMs,
      label: undefined,
    },
    isTry,
    isClosed,
    isVerbose,
    conflictStatus,
    isQuiet: false,
    access: undefined,
    makesParents: false,
    atLeastMs: 0,
    engine: undefined,
    onLost: 'ignore',
    isFlock: true,
  }
}

/** Returns the path of the lock. @throws what is wrong with FILE, as a SlocketError. */
function lockBeside(file: string): string {
  const real = makeAndResolve(file)
  if (isLock(real)) {
    throw new SlocketError(
      'ERR_SLOCKET_NOT_A_LOCK',
      `'${file}' is a lock of 'slocket run' or of a program, not a file: write 'slocket run' here, too, or name another file`,
    )
  }
  if (real === '/') throw new SlocketError('ERR_SLOCKET_NOT_A_LOCK', "there is no place beside '/': name another file")
  return `${real}.lock`
}

function makeAndResolve(file: string): string {
  for (let tries = 1; ; tries += 1) {
    try {
      return realPathOf(file)
    } catch (error) {
      // RACE: another process has removed it since it was created or seen. Or its directory is missing: then the next try fails, too.
      if (systemCode(error) !== 'ENOENT' || tries === MOST_TRIES) throw toSlocketError(error, 'open', file)
    }
  }
}

/** Creates the file if it is missing. An existing file isn't opened: opening a named pipe or a device may wait, or have an effect. */
function realPathOf(file: string): string {
  if (fs.statSync(file, { throwIfNoEntry: false }) === undefined) {
    const { O_RDONLY, O_CREAT, O_NOCTTY, O_NONBLOCK } = fs.constants
    fs.closeSync(fs.openSync(file, O_RDONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, MODE))
  } else fs.accessSync(file, fs.constants.R_OK)
  return fs.realpathSync(file)
}
