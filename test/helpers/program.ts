/** A process that runs a few lines of a program, prints lines, and can be made to wait for the test while it blocks. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { programPath } from './built.ts'
import { within } from './until.ts'

const INDEX = pathToFileURL(programPath('src/index.js')).href
const PROPER_LOCKFILE = pathToFileURL(programPath('src/compat/proper-lockfile.js')).href

/** Exits with 10 if the lock at its first argument is free, otherwise with 11. With a second argument, it is the lock of that name in that root. */
const TRY = `import { LockManager, slocket } from ${JSON.stringify(INDEX)}
const [, path, name] = process.argv
const lock = name === undefined ? await slocket.try(path)
  : await new LockManager({ root: path }).request(name, { ifAvailable: true }, (lock) => lock)
process.exit(lock === null ? 11 : 10)`

/**
 * The functions for each program: `lockPath`, its argument; `say(value)`; `hear()`, which blocks until the test continues it;
 * `isFree(...)`, true if another process can have the lock now; `exhaust()` and `replenish()`, which open files until there are no
 * more descriptors, and close them again.
 */
const FIRST = `
import fs from 'node:fs'
import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
const lockPath = process.argv[1]
const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n')
const hear = () => fs.readSync(0, Buffer.alloc(1))
const TRY = ${JSON.stringify(TRY)}
const opened = []
const exhaust = () => { try { for (;;) opened.push(fs.openSync('/dev/null')) } catch {} }
const replenish = () => { for (const descriptor of opened.splice(0)) fs.closeSync(descriptor) }
const isFree = (...args) => {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', TRY, ...args], { encoding: 'utf8' })
  return { 10: true, 11: false }[status] ?? stderr
}
`
const THEN = `
const { LockManager, slocket } = await import(${JSON.stringify(INDEX)})
const { default: lockfile } = await import(${JSON.stringify(PROPER_LOCKFILE)})
`

/** Called when everything is imported: Node opens all modules that a module imports at the same time. */
function limitTo(descriptors: number): string {
  return `spawnSync('prlimit', ['--pid', String(process.pid), '--nofile=${descriptors}:${descriptors}'], { stdio: 'inherit' })\n`
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
  /** Lines that nobody has taken yet. */
  readonly said: readonly unknown[]
}

export interface ProgramOptions {
  /** Code to run before slocket is imported. */
  readonly before?: string
  /** The process's limit of open descriptors. */
  readonly descriptors?: number
}

export class Program {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #said: unknown[] = []
  readonly #ended: Promise<Ended>
  #onSaid: () => void = () => {}
  #stderr = ''

  constructor(lockPath: string, body: string, { before = '', descriptors }: ProgramOptions = {}) {
    const limit = descriptors === undefined ? '' : limitTo(descriptors)
    const program = [FIRST, before, THEN, limit, body].join('')
    const [command, ...args] = [process.execPath, '--input-type=module', '-e', program, lockPath]
    this.#process = spawn(command, args, { stdio: 'pipe' })
    this.pid = this.#process.pid!
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    createInterface(this.#process.stdout!).on('line', (line) => {
      this.#said.push(JSON.parse(line))
      this.#onSaid()
    })
    this.#ended = new Promise((resolve) => {
      this.#process.once('close', (code, signal) =>
        resolve({ code, signal, stderr: this.#stderr, said: this.#said.splice(0) }),
      )
    })
  }

  /** The next line that it prints. */
  async next(): Promise<unknown> {
    const said = new Promise<unknown>((resolve, reject) => {
      const take = (): void => {
        if (this.#said.length > 0) resolve(this.#said.shift())
      }
      this.#onSaid = take
      take()
      void this.#ended.then(({ code, signal, stderr }) => reject(new Error(`it ended by ${code ?? signal}: ${stderr}`)))
    })
    return await within(said, () => new Error(`it says nothing: ${this.#stderr}`))
  }

  /** Continues it after `hear()`. */
  goOn(): void {
    this.#process.stdin!.write('\n')
  }

  async ended(): Promise<Ended> {
    return await within(this.#ended, () => new Error(`it does not end: ${this.#stderr}`))
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }
}
