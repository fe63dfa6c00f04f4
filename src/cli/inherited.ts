/**
 * The descriptors beyond 2 that a shell, or make, has given to this process for the command: `3<file`, `<(…)`, a job server.
 * Node closes the low ones on exec (libuv's uv_disable_stdio_inheritance), so they have to be handed on by name.
 *
 * What else is open at the start is Node's own: the kernel's anonymous files (epoll, eventfd), pipes of which it has both ends,
 * and /dev/null to be read.
 */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** Higher ones than this are not handed on by number; Node leaves them as they are. */
const MOST = 64

interface Open {
  readonly descriptor: number
  /** What /proc says that it is. */
  readonly target: string
}

/** To be called before anything is opened. */
export function inheritedDescriptors(): number[] {
  const open = namesIn('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => descriptor > 2 && descriptor < MOST)
    .map((descriptor) => ({ descriptor, target: linkOf(`/proc/self/fd/${descriptor}`) }))
  return open.filter((one) => !isOwn(one, open)).map(({ descriptor }) => descriptor)
}

function isOwn({ descriptor, target }: Open, open: readonly Open[]): boolean {
  if (target === '' || target.startsWith('anon_inode:')) return true
  if (target === '/dev/null') return !isWritable(descriptor)
  if (!target.startsWith('pipe:')) return false
  const canWrite = isWritable(descriptor)
  const hasBothEnds = open.some((other) => other.target === target && isWritable(other.descriptor) !== canWrite)
  // Unless the parent has them too: the job server of make.
  return hasBothEnds && !isOpenInParent(target)
}

function isOpenInParent(target: string): boolean {
  const directory = `/proc/${process.ppid}/fd`
  return namesIn(directory).some((name) => linkOf(`${directory}/${name}`) === target)
}

/** As the mode of the link says: proc_pid_fd(5). */
function isWritable(descriptor: number): boolean {
  try {
    return (fs.lstatSync(`/proc/self/fd/${descriptor}`).mode & 0o200) !== 0
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return false
  }
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return []
  }
}

function linkOf(path: string): string {
  try {
    return fs.readlinkSync(path)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return ''
  }
}
