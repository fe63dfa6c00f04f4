/**
 * Signals that come to `slocket run`. While it waits, they end it, after it has left the queue. Once the command runs, they are
 * the command's: what the terminal sends reaches it without our help, since it is in the same process group, and the rest
 * is passed on. Ctrl-Z needs nothing: it stops both, and `fg` goes on with both.
 */
import { leaveAll } from '../engines/local/members/exit.ts'
import fs from 'node:fs'
import os from 'node:os'
import type { ChildProcess } from 'node:child_process'
import { SIGNAL_BASE } from './exit-status.ts'
import { quietly } from './quietly.ts'

const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']
/** Those by which people and supervisors want an end. */
const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGHUP', 'SIGTERM', ...FROM_TERMINAL])
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', ...FROM_TERMINAL]

/** For how long a signal that has ended the command is waited for: so many times so many ms. */
const MOST_LOOKS = 50
const LOOK_MS = 2

export class Signals {
  /** Aborts at the first signal that comes while no command runs. */
  readonly cancelled: AbortSignal
  /** The last of those that came while no command ran. */
  early: NodeJS.Signals | undefined
  /** Whether the command was told to end by a signal to this process. */
  isToEnd: boolean = false
  readonly #controller = new AbortController()
  readonly #fromTerminal = new Set<NodeJS.Signals>()
  #child: ChildProcess | undefined

  constructor() {
    this.cancelled = this.#controller.signal
    for (const signal of PASSED_ON) process.on(signal, () => this.#onSignal(signal))
  }

  /** From now on signals are the command's. */
  passTo(child: ChildProcess): void {
    this.#child = child
  }

  /** The command has ended: a signal that comes now is for this process again, and aborts {@link cancelled}, which is returned. */
  takeBack(): AbortSignal {
    this.#child = undefined
    return this.cancelled
  }

  /** The lock is lost: tells the command to end. */
  endCommand(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child?.kill(signal)
  }

  /**
   * Whether the terminal has sent it, to the command as well.
   *
   * RACE: that the command has ended may be heard of first: the kernel gives each signal to any thread that takes it, and one of them may be
   * kept from running.
   */
  async cameFromTerminal(signal: NodeJS.Signals): Promise<boolean> {
    if (!FROM_TERMINAL.includes(signal) || !isInForeground()) return this.#fromTerminal.has(signal)
    for (let look = 0; look < MOST_LOOKS && !this.#fromTerminal.has(signal); look += 1)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    return this.#fromTerminal.has(signal)
  }

  #onSignal(signal: NodeJS.Signals): void {
    if (this.#child === undefined) {
      this.early = signal
      this.#controller.abort(signal)
      return
    }
    if (ENDING.has(signal)) this.isToEnd = true
    if (FROM_TERMINAL.includes(signal) && isInForeground()) this.#fromTerminal.add(signal)
    else this.#child.kill(signal)
  }
}

/** Ends this process as `signal` would have, so that the shell sees by what. */
export function dieBy(signal: NodeJS.Signals): never {
  // Node ignores SIGPIPE: with the last listener, each signal is back at the system's default.
  // No listener for `exit` is called.
  leaveAll()
  process.on(signal, () => {})
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  process.exit(SIGNAL_BASE + signalNumber(signal))
}

export function signalNumber(signal: NodeJS.Signals): number {
  return os.constants.signals[signal]
}

/** Whether what is typed at the terminal reaches this process group: proc_pid_stat(5). */
function isInForeground(): boolean {
  const stat = quietly(() => fs.readFileSync('/proc/self/stat', 'latin1')) ?? ''
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group !== undefined && group === foreground
}
