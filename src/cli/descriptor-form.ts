/**
 * `flock 9` locks what the shell has opened by that number; slocket cannot. Scripts in which it is called so seldom look at the exit
 * status: they would go on without the lock.
 */
import fs from 'node:fs'
import { UsageError } from './exit-status.ts'
import { linkOf, quietly } from './quietly.ts'

/** A number is in the place of LOCK, and no command follows. */
export class DescriptorForm extends UsageError {
  readonly descriptor: number

  constructor(descriptor: string) {
    super(`COMMAND is missing: a descriptor (${descriptor}) cannot be locked, put what is to be done into a script`)
    this.descriptor = Number(descriptor)
  }
}

/**
 * The processes above this one, up to the first that has not opened the same file by the same number: it has been opened there to be
 * locked. The outermost first, so that none of them sees another one end.
 */
export function callersWith(descriptor: number): number[] {
  const file = linkOf(`/proc/self/fd/${descriptor}`)
  // A lock file, or a directory: no terminal, pipe or socket.
  if (descriptor <= 2 || !file.startsWith('/') || file.startsWith('/dev/')) return []
  const callers: number[] = []
  // Bound: the depth of the tree of processes.
  for (let pid = process.ppid; linkOf(`/proc/${pid}/fd/${descriptor}`) === file; pid = parentOf(pid)) callers.push(pid)
  return callers.reverse()
}

/** Interactive shells ignore the signal. */
export function endCallers(callers: readonly number[]): void {
  for (const pid of callers) quietly(() => process.kill(pid, 'SIGTERM'))
}

/** See proc_pid_status(5). 0, which is no process, if it is gone. */
function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(quietly(() => fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '')?.[1] ?? 0)
}
