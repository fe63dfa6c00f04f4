/** Programs of macOS and the BSDs that show what Linux shows in /proc. They run once in a process, before its first lock, for some milliseconds. */
import { isSlocketError, SlocketError, systemCode } from '../../../errors.ts'
import { unlessMissing } from './proc.ts'
import { builtInChildProcess } from './built-in.ts'

/** None of them takes long. In ms. */
const TIMEOUT_MS = 10_000
/** What says that a program could not be run to its end this time. */
const PASSING: Readonly<Record<string, string>> = {
  EAGAIN: 'too many processes',
  ETIMEDOUT: 'it took more than ten seconds',
}

/**
 * Runs a program, and blocks until it has ended.
 *
 * @returns what it prints; undefined if it can't be run, or fails.
 * @throws ERR_SLOCKET_RESOURCES, also if it takes longer than ten seconds.
 */
export function outputOf(program: string, parameters: readonly string[]): string | undefined {
  const run = (): string | undefined => {
    const { error, status, stdout } = builtInChildProcess().spawnSync(program, parameters, {
      encoding: 'utf8',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    if (error !== undefined) throw toPassing(error, program)
    return status === 0 ? stdout : undefined
  }
  return unlessMissing(program, run, (error) => isSlocketError(error))
}

function toPassing(error: Error, program: string): Error {
  const code = systemCode(error) ?? ''
  const meaning = PASSING[code]
  if (meaning === undefined) return error
  return new SlocketError('ERR_SLOCKET_RESOURCES', `cannot run ${program}: ${meaning} (${code})`, { cause: error })
}
