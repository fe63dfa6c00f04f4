/** What /proc tells of a process: proc_pid_stat(5). */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { until } from './until.ts'

/** Linux has counted 100 ticks a second in what it tells to user space ever since. */
const MS_PER_TICK = 10

/** The processor time that the process has used, in ms. */
export function cpuMs(pid: number): number {
  const fields = statFields(pid)
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
}

export function openDescriptors(pid: number): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length
}

/** What the process's memory amounts to, in bytes. */
export function residentBytes(pid: number): number {
  return Number(statFields(pid)[21]) * 4096
}

/** A signal to stop takes effect a moment after it was sent. */
export async function untilStopped(pid: number): Promise<void> {
  await until(`process ${pid} is stopped`, () => isStopped(pid))
}

/** Every thread of it. */
export function isStopped(pid: number): boolean {
  // Without /proc: T is the state of a stopped process in ps(1), too.
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' })
    return stdout.trim().startsWith('T')
  }
  return fs.readdirSync(`/proc/${pid}/task`).every((thread) => statFields(pid, `task/${thread}/stat`)[0] === 'T')
}

/** From the third field on: the second, the name in parentheses, may hold anything. */
function statFields(pid: number, file: string = 'stat'): string[] {
  const text = fs.readFileSync(`/proc/${pid}/${file}`, 'latin1')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}
