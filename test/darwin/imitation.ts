/** Processes that find Linux as macOS would be: imitation.c and test/fixtures/darwin.ts. On macOS itself there is nothing to imitate. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Runtime } from '../helpers/runtime.ts'

const BUILD = fileURLToPath(new URL('../..', import.meta.url))
const SOURCE = fileURLToPath(new URL('../../../test/darwin/imitation.c', import.meta.url))

/** To be given to Node as `--import`. */
export const PRELOAD: string = new URL('../fixtures/darwin.js', import.meta.url).href

export type Imitation = { readonly library: string } | { readonly missing: string }

/** The compiled library, which is made if it is missing or older than its source; or why there is none. */
export function buildImitation(): Imitation {
  if (process.platform !== 'linux') return { missing: 'the imitation of macOS is for Linux' }
  const library = join(BUILD, 'darwin', 'imitation.so')
  if (madeMs(library) < madeMs(SOURCE)) {
    // Under another name at first: several test files may compile it at the same time.
    const unfinished = `${library}.${process.pid}`
    mkdirSync(dirname(library), { recursive: true })
    const parameters = ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', unfinished, SOURCE, '-ldl']
    const { error, status, stderr } = spawnSync('cc', parameters, { encoding: 'utf8' })
    if (error !== undefined) return { missing: `no C compiler (${error.message})` }
    if (status !== 0) throw new Error(`cc ${parameters.join(' ')}\n${stderr}`)
    renameSync(unfinished, library)
  }
  return { library }
}

/** Node as it would find macOS, and so do those that it starts. @param library as {@link buildImitation} made it. */
export function imitatedBy(library: string): Runtime {
  const env = { LD_PRELOAD: library, NODE_OPTIONS: `--import=${PRELOAD}` }
  return { command: [process.execPath], preload: '--import', env }
}

/** 0 if there is no such file. */
function madeMs(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
