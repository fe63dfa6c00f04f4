/** What /proc says about a process (proc_pid_stat(5)), and how a test ends one. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { until } from './until.ts'

/** Linux reports 100 ticks a second to user space. */
const MS_PER_TICK = 10

/** The processor time used by the process, in ms. */
export function cpuMs(pid: number): number {
  const fields = statFields(pid)
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
}

export function openDescriptors(pid: number): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length
}

/** The memory of the process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(statFields(pid)[21]) * 4096
}

/** A stop signal takes effect a moment after it was sent. */
export async function untilStopped(pid: number): Promise<void> {
  await until(`process ${pid} is stopped`, () => isStopped(pid))
}

/** The states of all its threads. */
export function isStopped(pid: number): boolean {
  // Without /proc: T is the state of a stopped process in ps(1), too.
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' })
    return stdout.trim().startsWith('T')
  }
  return fs.readdirSync(`/proc/${pid}/task`).every((thread) => statFields(pid, `task/${thread}/stat`)[0] === 'T')
}

/** The fields from the third on: the second, the name in parentheses, may contain anything. */
function statFields(pid: number, file: string = 'stat'): string[] {
  const text = fs.readFileSync(`/proc/${pid}/${file}`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/**
 * kill -9. A process may have ended although that hasn't been reported yet: Bun reaps a process before it emits `exit`.
 *
 * @param pid negative for a process group.
 */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
