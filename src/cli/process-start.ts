/** Finds out whether a process still runs, by its id and its start time, so that a later process with the same id is not mistaken for it: proc_pid_stat(5). */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** Identifies a process. No later process has the same. */
export interface Identity {
  readonly pid: number
  /** Its start time, in clock ticks since the boot. */
  readonly start: string
}

/** The process has ended, or /proc hides it. */
const NOT_SHOWN: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH'])

/** Undefined if no such process runs, or if /proc does not show it. @throws the error of reading /proc. */
export function identify(pid: number): Identity | undefined {
  const shown = look(pid)
  return typeof shown === 'object' ? { pid, start: shown.start } : undefined
}

/** Returns the session of the process: see setsid(2). Undefined, and @throws, as {@link identify}. */
export function sessionOf(pid: number): string | undefined {
  const shown = look(pid)
  return typeof shown === 'object' ? shown.session : undefined
}

/**
 * False only on proof: if /proc cannot be read just now (no descriptors, no memory), the process counts as running. So does a process
 * that /proc hides, or a hidden process that has got the id of the script meanwhile, since they can't be told apart.
 */
export function isStillRunning({ pid, start }: Identity): boolean {
  try {
    const shown = look(pid)
    return typeof shown === 'object' ? shown.start === start : shown === 'hidden'
  } catch {
    return true
  }
}

/** Returns `ended` for a process that has ended, even if its parent has not waited for it yet. */
function look(pid: number): { readonly session: string; readonly start: string } | 'ended' | 'hidden' {
  let text: string
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    if (!NOT_SHOWN.has(systemCode(error))) throw error
    return exists(pid) ? 'hidden' : 'ended'
  }
  // After the name, which may contain anything, comes the third field: the state. The sixth is the session, the twentieth the number of threads.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, session, threads, start] = [fields[0], fields[3]!, Number(fields[17]), fields[19]!]
  // If the first thread has ended, it is a zombie until the others end, too.
  const hasEnded = (state === 'Z' || state === 'X' || state === 'x') && threads <= 1
  return hasEnded ? 'ended' : { session, start }
}

/**
 * With the mount option `hidepid=2` (proc(5)), /proc has no entry for a process that has become another user's, by a set-user-ID program,
 * or that may not be traced. kill(2) knows all processes.
 */
function exists(pid: number): boolean {
  try {
    // Signal 0 sends nothing.
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
