/** Drives a process that runs test/fixtures/postgres-client.ts. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { untilStopped } from '../../helpers/proc.ts'
import { until } from '../../helpers/until.ts'

const FIXTURE = fileURLToPath(new URL('../../fixtures/postgres-client.js', import.meta.url))

export class Child implements AsyncDisposable {
  readonly lines: string[] = []
  readonly #process: ChildProcessWithoutNullStreams

  constructor(url: string, namespace: string, name: string, heartbeatMs: number = 2000, ...rest: string[]) {
    this.#process = spawn(process.execPath, [FIXTURE, url, namespace, name, String(heartbeatMs), ...rest])
    this.#process.stdin.on('error', () => {})
    this.#process.stderr.pipe(process.stderr)
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.lines.push(line))
  }

  /** Resolves once it has said a line that begins so, with that. */
  async says(beginning: string): Promise<string> {
    return await until(`the child says ${beginning}`, () => this.lines.find((line) => line.startsWith(beginning)))
  }

  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGSTOP')
    await untilStopped(this.#process.pid!)
  }

  continue(): void {
    this.#process.kill('SIGCONT')
  }

  /** kill -9. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill('SIGKILL')
    await ended
  }
}
