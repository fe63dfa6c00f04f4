/** Whether a process still runs, by its id and its time of start, so that a later process with the same id is not taken for it: proc_pid_stat(5). */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** A process for as long as it lasts. */
export interface Identity {
  readonly pid: number
  /** In clock ticks since the boot. */
  readonly start: string
}

/** It is gone, or /proc shows nothing of it, which is the same to whoever asks first. */
const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH'])

/** Undefined if no such process runs, or none can be seen. @throws what keeps /proc from being read. */
export function identify(pid: number): Identity | undefined {
  const start = startOf(pid)
  return start === undefined ? undefined : { pid, start }
}

/** False only on proof: if /proc cannot be read just now (no descriptors, no memory), the process counts as running. */
export function isStillRunning({ pid, start }: Identity): boolean {
  try {
    return startOf(pid) === start
  } catch {
    return true
  }
}

/** Undefined if the process has ended, though its parent may not have looked at it. */
function startOf(pid: number): string | undefined {
  let text: string
  try {
    text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    if (GONE.has(systemCode(error))) return undefined
    throw error
  }
  // Behind the name, which may hold anything, is the third field: the state. The twentieth is the number of threads.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, threads, start] = [fields[0], Number(fields[17]), fields[19]]
  // A first thread that has ended is a zombie until the others end, too.
  const hasEnded = (state === 'Z' || state === 'X' || state === 'x') && threads <= 1
  return hasEnded ? undefined : start
}
