/**
 * Handles signals to `slocket run`. While it waits, they end it, after it has left the queue. Once the command runs, they are
 * for the command: signals of the terminal reach it directly, since it is in the same process group, and the rest
 * is passed on. Ctrl-Z needs no handling: it stops both, and `fg` continues both.
 */
import { leaveAll } from '../engines/local/members/exit.ts'
import fs from 'node:fs'
import os from 'node:os'
import type { ChildProcess } from 'node:child_process'
import { SIGNAL_BASE } from './exit-status.ts'
import { quietly } from './quietly.ts'

const FROM_TERMINAL: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']
/** The signals with which people and supervisors end a process. */
const ENDING: ReadonlySet<NodeJS.Signals> = new Set(['SIGHUP', 'SIGTERM', ...FROM_TERMINAL])
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', ...FROM_TERMINAL]

/** How long to wait for a signal that has ended the command: the number of looks, and the ms between them. */
const MOST_LOOKS = 50
const LOOK_MS = 2

export class Signals {
  /** Aborts at the first signal that comes while no command runs. */
  readonly cancelled: AbortSignal
  /** The last signal that came while no command ran. */
  early: NodeJS.Signals | undefined
  /** Whether a signal to this process has ended the command. */
  isToEnd: boolean = false
  readonly #controller = new AbortController()
  readonly #fromTerminal = new Set<NodeJS.Signals>()
  #child: ChildProcess | undefined

  constructor() {
    this.cancelled = this.#controller.signal
    for (const signal of PASSED_ON) process.on(signal, () => this.#onSignal(signal))
  }

  /** Passes signals on to the command from now on. */
  passTo(child: ChildProcess): void {
    this.#child = child
  }

  /** To be called when the command has ended: from now on a signal is for this process again, and aborts {@link cancelled}, which is returned. */
  takeBack(): AbortSignal {
    this.#child = undefined
    return this.cancelled
  }

  /** Sends the command a signal to end it, since the lock is lost. */
  endCommand(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child?.kill(signal)
  }

  /**
   * Whether the signal came from the terminal, which sent it to the command as well.
   *
   * RACE: this process may see the end of the command first: the kernel delivers each signal to any thread that accepts it, and that thread may be
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

/** Ends this process as `signal` would have, so that the shell sees which signal it was. */
export function dieBy(signal: NodeJS.Signals): never {
  // Node ignores SIGPIPE. When the last listener is removed, each signal is back at the system's default.
  // Listeners for `exit` aren't called.
  leaveAll()
  process.on(signal, () => {})
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  process.exit(SIGNAL_BASE + signalNumber(signal))
}

export function signalNumber(signal: NodeJS.Signals): number {
  return os.constants.signals[signal]
}

/** Whether this process group gets the signals of the terminal: proc_pid_stat(5). */
function isInForeground(): boolean {
  const stat = quietly(() => fs.readFileSync('/proc/self/stat', 'utf8')) ?? ''
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group !== undefined && group === foreground
}
