/** The runtimes of clients. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { imitatedBy } from '../darwin/imitation.ts'

export interface Runtime {
  /** The command; the program and its arguments follow. */
  readonly command: readonly [string, ...string[]]
  /** The option that preloads a module. */
  readonly preload: string
  readonly env?: Readonly<Record<string, string>>
}

/** The Node that runs the tests. */
export const NODE: Runtime = { command: [process.execPath], preload: '--import' }

const deno = process.env['SLOCKET_TEST_DENO']
const bun = process.env['SLOCKET_TEST_BUN']

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

/** Like DENO. It has no settings of this machine's user, and keeps no cache. */
export const BUN: Runtime = {
  command: [bun ?? 'bun'],
  preload: '--preload',
  env: { BUN_RUNTIME_TRANSPILER_CACHE_PATH: '0', DO_NOT_TRACK: '1', NO_COLOR: '1' },
}

/** The reason why there is no Deno, or no Bun; false if there is. */
export const skipDeno: string | false = skipWithout(deno)
export const skipBun: string | false = skipWithout(bun)

const OTHERS: Readonly<Record<string, Runtime>> = { deno: DENO, bun: BUN }

/** See scripts/test-darwin.js. */
const library = process.env['SLOCKET_TEST_DARWIN']

/** The default runtime of clients. With SLOCKET_TEST_CLIENTS=deno, or bun, it is that one, to see what works there. */
export const USUAL: Runtime =
  library === undefined ? (OTHERS[process.env['SLOCKET_TEST_CLIENTS'] ?? ''] ?? NODE) : imitatedBy(library)

/** For `ScenarioOptions.skip`: `reason` if processes run by default in another runtime than Node. */
export function onlyInNode(reason: string): string | false {
  return USUAL === NODE ? false : reason
}

function skipWithout(program: string | undefined): string | false {
  return program === undefined ? '`npm run test:runtimes` runs this' : false
}
