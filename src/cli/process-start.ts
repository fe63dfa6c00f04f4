/** Whether a process still runs, by its id and its time of start, so that a later process with the same id is not taken for it: proc_pid_stat(5). */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** A process for as long as it lasts. */
export interface Identity {
  readonly pid: number
  /** In clock ticks since the boot. */
  readonly start: string
}

/** The process has ended, or /proc hides it. */
const NOT_SHOWN: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH'])

/** Undefined if no such process runs, or /proc does not show it. @throws what keeps /proc from being read. */
export function identify(pid: number): Identity | undefined {
  const shown = look(pid)
  return typeof shown === 'object' ? { pid, start: shown.start } : undefined
}

/** The session of the process: see setsid(2). Undefined as by {@link identify}. @throws as that. */
export function sessionOf(pid: number): string | undefined {
  const shown = look(pid)
  return typeof shown === 'object' ? shown.session : undefined
}

/**
 * False only on proof: if /proc cannot be read just now (no descriptors, no memory), the process counts as running. So does a process
 * that /proc hides, or one that has got the id of the script meanwhile and is hidden, since nothing tells them apart.
 */
export function isStillRunning({ pid, start }: Identity): boolean {
  try {
    const shown = look(pid)
    return typeof shown === 'object' ? shown.start === start : shown === 'hidden'
  } catch {
    return true
  }
}

/** A process that has ended is `ended` though its parent may not have looked at it. */
function look(pid: number): { readonly session: string; readonly start: string } | 'ended' | 'hidden' {
  let text: string
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    if (!NOT_SHOWN.has(systemCode(error))) throw error
    return exists(pid) ? 'hidden' : 'ended'
  }
  // Behind the name, which may hold anything, is the third field: the state. The sixth is the session, the twentieth the number of threads.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, session, threads, start] = [fields[0], fields[3]!, Number(fields[17]), fields[19]!]
  // A first thread that has ended is a zombie until the others end, too.
  const hasEnded = (state === 'Z' || state === 'X' || state === 'x') && threads <= 1
  return hasEnded ? 'ended' : { session, start }
}

/**
 * With the mount option `hidepid=2` (proc(5)), /proc has no entry for a process that has become another user's, by a set-user-ID program,
 * or that may not be traced. kill(2) knows all processes.
 */
function exists(pid: number): boolean {
  try {
    // Sends nothing.
    return pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
