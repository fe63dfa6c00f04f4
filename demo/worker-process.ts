/**
 * One worker, seen from the main process.
 *
 *  state    | meaning                                    | what ends it
 *  ---------+--------------------------------------------+---------------------------------------------
 *  starting | it has not had the lock yet                | its first grant; a signal; its end
 *  running  | it goes round                              | a signal; its end
 *  stopped  | SIGSTOP was sent                           | SIGCONT; SIGKILL
 *  killed   | SIGKILL was sent                           | its end
 *  over     | it has ended, and all it said has been read | -
 */
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Chronicle, Granted, Killed, Stopped } from './chronicle.ts'
import type { WorkerMessage } from './messages.ts'
import { FINISH, nowNs } from './messages.ts'

export type WorkerState = 'starting' | 'running' | 'stopped' | 'killed' | 'over'

export class WorkerProcess {
  readonly number: number
  readonly pid: number
  /** Resolves when it has ended, and all that it said has been read. */
  readonly ended: Promise<void>
  #state: WorkerState = 'starting'
  readonly #process: ChildProcess
  readonly #chronicle: Chronicle
  #grant: Granted | undefined
  #killed: Killed | undefined
  #stopped: Stopped | undefined
  #isMeantToEnd = false
  #stderr = ''

  constructor(parameters: readonly string[], number: number, chronicle: Chronicle) {
    this.number = number
    this.#chronicle = chronicle
    const program = fileURLToPath(new URL('./worker.js', import.meta.url))
    // Advanced: bigints go through.
    this.#process = fork(program, parameters, {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.pid = this.#process.pid ?? -1
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#process.on('message', (message) => this.#onMessage(message as WorkerMessage))
    // It may have ended when it is told to.
    this.#process.on('error', (error) => (this.#stderr += String(error)))
    this.ended = this.#untilEnded()
  }

  get state(): WorkerState {
    return this.#state
  }

  get isAlive(): boolean {
    return this.#state === 'running' || this.#state === 'stopped'
  }

  /** As far as it has said. */
  get isHolding(): boolean {
    return this.#grant !== undefined
  }

  get wasKilled(): boolean {
    return this.#killed !== undefined
  }

  /** Whether it was killed while it held the lock. */
  get diedHolding(): boolean {
    return this.#killed?.held !== undefined
  }

  kill(): void {
    this.#endStop()
    this.#isMeantToEnd = true
    // The clock first: if this process is preempted in between, the takeover seems longer than it was, never shorter.
    this.#killed = { worker: this.number, pid: this.pid, atNs: nowNs(), held: undefined }
    process.kill(this.pid, 'SIGKILL')
    this.#state = 'killed'
    this.#chronicle.addKill(this.#killed)
  }

  stop(): void {
    this.#stopped = { pid: this.pid, fromNs: nowNs(), toNs: undefined }
    process.kill(this.pid, 'SIGSTOP')
    this.#state = 'stopped'
    this.#chronicle.addStop(this.#stopped, this.number)
  }

  /** Has it go on, if it is stopped. */
  resume(): void {
    if (this.#state !== 'stopped') return
    process.kill(this.pid, 'SIGCONT')
    this.#endStop()
    this.#state = 'running'
  }

  /** Has it end after this round. */
  finish(): void {
    this.#isMeantToEnd = true
    if (this.#process.connected) this.#process.send(FINISH)
  }

  /** Ends it now, which counts as no kill of the demo. */
  end(): void {
    this.#isMeantToEnd = true
    if (this.#state !== 'over') this.#process.kill('SIGKILL')
  }

  #onMessage(message: WorkerMessage): void {
    switch (message.kind) {
      case 'granted': {
        const { kind: _kind, ...grant } = message
        this.#grant = { ...grant, worker: this.number, pid: this.pid, endNs: undefined }
        this.#chronicle.addGrant(this.#grant)
        if (this.#state === 'starting') this.#state = 'running'
        return
      }
      case 'repaired':
        this.#chronicle.repaired += 1
        return
      case 'releasing':
        if (this.#grant !== undefined) this.#grant.endNs = message.atNs
        this.#grant = undefined
    }
  }

  #endStop(): void {
    if (this.#stopped !== undefined) this.#stopped.toNs ??= nowNs()
  }

  /** The line of its last words that says most. */
  #complaint(): string {
    const lines = this.#stderr.split('\n')
    return lines.find((line) => line.includes('Error')) ?? lines[0]!
  }

  async #untilEnded(): Promise<void> {
    const disconnected = new Promise<void>((resolve) => this.#process.once('disconnect', resolve))
    const how = await new Promise<string>((resolve) => {
      this.#process.once('close', (code, signal) => resolve(`${signal ?? code}`))
    })
    await disconnected
    this.#state = 'over'
    if (this.#killed !== undefined && this.#grant !== undefined) {
      this.#killed.held = this.#grant
      this.#grant.endNs = this.#killed.atNs
    }
    if (this.#isMeantToEnd && (how === '0' || how === 'SIGKILL')) return
    this.#chronicle.faults.push(
      `worker ${this.number} (pid ${this.pid}) ended by itself, with ${how}: ${this.#complaint()}`,
    )
  }
}
