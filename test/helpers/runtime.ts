/** What a client is run by. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { imitatedBy } from '../darwin/imitation.ts'

export interface Runtime {
  /** Gets the program, and its arguments, as its last ones. */
  readonly command: readonly [string, ...string[]]
  /** What says that a module is to be loaded first. */
  readonly preload: string
  readonly env?: Readonly<Record<string, string>>
}

/** The Node that runs the tests. */
export const NODE: Runtime = { command: [process.execPath], preload: '--import' }

const deno = process.env['SLOCKET_TEST_DENO']

/** See scripts/test-runtimes.js. */
export const DENO: Runtime = {
  command: [deno ?? 'deno', 'run', '--allow-all'],
  preload: '--preload',
  env: {
    DENO_DIR: join(fileURLToPath(new URL('../..', import.meta.url)), 'deno-cache'),
    DENO_NO_UPDATE_CHECK: '1',
    NO_COLOR: '1',
  },
}

/** Why there is no Deno; false where there is. */
export const skipDeno: string | false = deno === undefined ? '`npm run test:runtimes` runs this' : false

/** See scripts/test-darwin.js. */
const library = process.env['SLOCKET_TEST_DARWIN']

/** What clients are run by unless a test says otherwise. With SLOCKET_TEST_CLIENTS=deno it is Deno, to see what works there. */
export const USUAL: Runtime = usualRuntime()

function usualRuntime(): Runtime {
  if (library !== undefined) return imitatedBy(library)
  return process.env['SLOCKET_TEST_CLIENTS'] === 'deno' ? DENO : NODE
}
