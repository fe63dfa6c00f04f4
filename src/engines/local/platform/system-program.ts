/** Programs of macOS and the BSDs that tell what Linux shows in /proc. They run once in a process, before its first lock, for some milliseconds. */
import { unlessMissing } from './proc.ts'
import { builtInChildProcess } from './built-in.ts'

/** None of them takes long. In ms. */
const TIMEOUT_MS = 10_000

/**
 * Runs a program, and blocks until it has ended.
 *
 * @returns what it prints; undefined if it can't be run, fails, or takes longer than ten seconds.
 * @throws ERR_SLOCKET_RESOURCES.
 */
export function outputOf(program: string, parameters: readonly string[]): string | undefined {
  return unlessMissing(program, () => {
    const { error, status, stdout } = builtInChildProcess().spawnSync(program, parameters, {
      encoding: 'utf8',
      env: { LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    if (error !== undefined) throw error
    return status === 0 ? stdout : undefined
  })
}
