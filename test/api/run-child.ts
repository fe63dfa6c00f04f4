/** Runs a few lines of a program that uses slocket, to its end. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { programPath } from '../helpers/built.ts'

/** The compiled package, as an import of the program. */
const INDEX = pathToFileURL(programPath('src/index.js')).href

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly pid: number
}

/**
 * Runs `body` after `import slocket, { isSlocketError, local, LockManager, memory } from 'slocket'`; `lockPath` is its first argument.
 *
 * @param timeoutMs after which the program is killed, if it may block its thread forever: `code` is null then.
 */
export async function runChild(
  body: string,
  lockPath: string,
  env: Record<string, string> = {},
  timeoutMs?: number,
): Promise<Ended> {
  const program = `
    import slocket, { isSlocketError, local, LockManager, memory } from ${JSON.stringify(INDEX)}
    const lockPath = process.argv[1]
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, lockPath], {
    env: { ...process.env, NODE_DEBUG: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  const ended: { stdout: string; stderr: string } = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, pid: child.pid!, ...ended }
}

/** A new directory for locks, which goes when `dispose` is called. */
export function makeParent(): { readonly lockPath: string; readonly dispose: () => void } {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-api-'))
  return { lockPath: path.join(parent, 'lock'), dispose: () => fs.rmSync(parent, { recursive: true, force: true }) }
}
