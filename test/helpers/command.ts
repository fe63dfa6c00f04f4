/** Runs the compiled command `slocket`, and other commands. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programPath } from './built.ts'
import { runSystem } from './privileges.ts'
import { killIfThere } from './proc.ts'
import { DEADLINE_MS, until, within } from './until.ts'

export const SLOCKET: readonly string[] = [process.execPath, programPath('src/cli/main.js')]

/** Input for commands that must run until the test writes to it. */
const FIFO = 'fifo'
/** For bash: waits for a line from the FIFO, and runs traps. A trap whose signal comes just before bash blocks in `read` runs only after the `read` (2 of 3,000 times, under load), so no `read` is long. */
export const UNTIL_INPUT: string = `exec 3<>${FIFO}; until read -t 0.2 -u 3 line; do :; done`

export interface Ending {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** In its own process group. */
  readonly detached?: boolean
}

/** A process that is observed from outside. */
export class Running {
  readonly pid: number
  stdout: string = ''
  stderr: string = ''
  hasEnded: boolean = false
  readonly #child: ChildProcess
  readonly #exited: Promise<Ending>
  readonly #ended: Promise<Ending>

  constructor([program, ...parameters]: readonly string[], { cwd, env, detached = false }: RunningOptions = {}) {
    this.#child = spawn(program!, parameters, { cwd, detached, env: { ...process.env, ...env }, stdio: 'pipe' })
    this.pid = this.#child.pid ?? -1
    this.#child.stdin!.on('error', () => {})
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    const ending = (status: number | null, signal: NodeJS.Signals | null): Ending => {
      this.hasEnded = true
      return { status, signal, stdout: this.stdout, stderr: this.stderr }
    }
    this.#exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', (...how) => resolve(ending(...how)))
    })
    this.#exited.catch(() => {})
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (...how) => resolve(ending(...how)))
    })
    this.#ended.catch(() => {})
  }

  /** The standard output so far, as soon as it matches. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return await until(
      () => `${pattern} (it said: ${JSON.stringify([this.stdout, this.stderr])})`,
      () => pattern.exec(this.stdout) ?? undefined,
    )
  }

  /** Like `says`, for the standard error. */
  async complains(pattern: RegExp): Promise<void> {
    await until(
      () => `${pattern} (it complained: ${this.stderr})`,
      () => pattern.test(this.stderr),
    )
  }

  /** Types into it, unchanged. */
  type(text: string): void {
    this.#child.stdin!.write(text)
  }

  endInput(): void {
    this.#child.stdin!.end()
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Resolves when the process has ended, although others may still hold its output open. */
  async exited(): Promise<void> {
    await within(this.#exited, () => new Error(`it has not ended; it said ${this.stdout} ${this.stderr}`))
  }

  /** Resolves when the process has ended and all its output has been read. */
  async ended(): Promise<Ending> {
    return await within(this.#ended, () => new Error(`it has not ended; it said ${this.stdout} ${this.stderr}`))
  }
}

/** A directory for one test, in which commands run. At the end, commands that still run are killed, and so is every process that has printed `pid N`. */
export class Workplace {
  readonly directory: string = fs.mkdtempSync(join(tmpdir(), 'slocket-command-'))
  readonly #started: Running[] = []

  constructor() {
    runSystem('mkfifo', this.path(FIFO))
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  start(command: readonly string[], options: RunningOptions = {}): Running {
    const running = new Running(command, { cwd: this.directory, ...options })
    this.#started.push(running)
    return running
  }

  slocket(...parameters: readonly string[]): Running {
    return this.start([...SLOCKET, ...parameters])
  }

  /** Runs a command until it ends. */
  async run(command: readonly string[], options: RunningOptions = {}): Promise<Ending> {
    const running = this.start(command, options)
    running.endInput()
    return await running.ended()
  }

  async runSlocket(...parameters: readonly string[]): Promise<Ending> {
    return await this.run([...SLOCKET, ...parameters])
  }

  /** Ends a command that waits for a write to the FIFO of this name. */
  end(fifo: string = FIFO): void {
    fs.writeFileSync(this.path(fifo), 'end\n')
  }

  async close(): Promise<void> {
    for (const running of this.#started) {
      running.endInput()
      if (!running.hasEnded && running.pid !== -1) running.kill('SIGKILL')
      for (const [, pid] of running.stdout.matchAll(/^pid (\d+)$/gm))
        if (isRunning(Number(pid))) killIfThere(Number(pid))
    }
    await Promise.all(this.#started.map((running) => running.ended().catch(() => {})))
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

/** True if a thread of the process runs. While another thread ends, the first one may be a zombie already; sockets are closed with the last one. */
export function isRunning(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    const isZombie = stat[stat.lastIndexOf(')') + 2] === 'Z'
    return !isZombie || fs.readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return false
  }
}

export async function untilDead(pid: number): Promise<void> {
  await until(`process ${pid} has ended`, () => !isRunning(pid), DEADLINE_MS)
}
