/** The programs that tests start, and modules that these import. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const BUILT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The path of a program below build/, such as `src/cli/main.js`: that of its bundle, if scripts/test.js has made one, since the bundle
 * starts in half the time.
 */
export function programPath(program: string): string {
  return join(process.env['SLOCKET_TEST_PROGRAMS'] ?? BUILT, program)
}
