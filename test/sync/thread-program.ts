/** Programs that use `slocket.sync`, and copies of slocket whose second thread is broken. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { programPath } from '../helpers/built.ts'
import { DEADLINE_MS } from '../helpers/until.ts'

export const SRC: string = fileURLToPath(new URL('../../src', import.meta.url))
const BUNDLED = programPath('src/index.js')

/** Shares the lock at the last argument, and says ok, or the error. */
export const TRY: string = `
  try { slocket.sync(process.argv.at(-1), { mode: 'shared' }).release(); console.log('ok') }
  catch (error) { console.log(error.code, error.message) }`

export function importing(body: string, index: string = BUNDLED): string {
  return `import slocket from ${JSON.stringify(pathToFileURL(index))}\n${body}`
}

export interface ProgramOptions {
  /** What is put in front of `node`. */
  readonly wrapper?: readonly string[]
  readonly parameters?: readonly string[]
  readonly env?: Record<string, string>
}

/** Runs a program to its end; its last argument is the lock's path. */
export function runProgram(
  code: string,
  lockPath: string,
  { wrapper = [], parameters = [], env = {} }: ProgramOptions = {},
): { stdout: string; status: number } {
  const node = [process.execPath, ...parameters, '--input-type=module', '-e', code, lockPath]
  const [command, ...all] = [...wrapper, ...node]
  const { stdout, stderr, status } = spawnSync(command!, all, {
    env: { ...process.env, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1', ...env },
    encoding: 'utf8',
    timeout: DEADLINE_MS,
  })
  assert.notEqual(status, null, `it did not end: ${stdout}${stderr}`)
  return { stdout, status: status! }
}

/**
 * @param module the code of the thread; undefined: it is missing.
 * @param lockPath a lock that is shared.
 * @param wrapper what is put in front of `node`.
 */
export function assertBroken(
  module: string | undefined,
  message: RegExp,
  lockPath: string,
  wrapper: readonly string[] = [],
): void {
  const copy = `${lockPath}-copy`
  fs.cpSync(SRC, copy, { recursive: true, filter: (name) => !/\.(map|d\.ts)$/.test(name) })
  fs.writeFileSync(path.join(path.dirname(copy), 'package.json'), '{ "type": "module" }')
  const thread = path.join(copy, 'sync/worker-thread.js')
  if (module === undefined) fs.rmSync(thread)
  else fs.writeFileSync(thread, module)
  const code = importing(TRY + TRY, path.join(copy, 'index.js'))
  const { stdout } = runProgram(code, lockPath, { wrapper, parameters: ['--max-old-space-size=50'] })
  const lines = stdout.trimEnd().split('\n')
  assert.equal(lines.length, 2, stdout)
  for (const line of lines) {
    assert.match(line, /^ERR_SLOCKET_NO_THREAD /)
    assert.match(line, message)
  }
}
