/**
 * Finds the descriptors beyond 2 that a shell, or make, has passed to this process for the command: `3<file`, `<(…)`, a job server.
 * Node closes the low ones on exec (libuv's uv_disable_stdio_inheritance), so they have to be passed on explicitly.
 *
 * Everything else that is open at the start belongs to Node: the kernel's anonymous files (epoll, eventfd), pipes of which it has both ends,
 * and /dev/null for reading.
 */
import fs from 'node:fs'
import { linkOf, namesIn, quietly } from './quietly.ts'

/** Higher descriptors are not passed on explicitly; Node leaves them as they are. */
const MOST = 64

interface Open {
  readonly descriptor: number
  /** What it is, according to /proc. */
  readonly target: string
}

/** Must be called before anything is opened. */
export function inheritedDescriptors(): number[] {
  // On Windows processes pass on handles, which have no numbers.
  if (process.platform === 'win32') return []
  const open = namesIn('/proc/self/fd')
    .map(Number)
    .filter((descriptor) => descriptor > 2 && descriptor < MOST)
    .map((descriptor) => ({ descriptor, target: linkOf(`/proc/self/fd/${descriptor}`) }))
  // Looks at the parent once, and only if there is a pipe to tell apart.
  let ofParent: ReadonlySet<string> | undefined
  const isOpenInParent = (target: string): boolean => (ofParent ??= targetsIn(process.ppid)).has(target)
  return open.filter((one) => !isOwn(one, open, isOpenInParent)).map(({ descriptor }) => descriptor)
}

function isOwn(
  { descriptor, target }: Open,
  open: readonly Open[],
  isOpenInParent: (target: string) => boolean,
): boolean {
  if (target === '' || target.startsWith('anon_inode:')) return true
  if (target === '/dev/null') return !isWritable(descriptor)
  if (!target.startsWith('pipe:')) return false
  const others = open.filter((other) => other.target === target && other.descriptor !== descriptor)
  // Unless the parent has them, too, as with the job server of make.
  if (others.length === 0 || isOpenInParent(target)) return false
  const canWrite = isWritable(descriptor)
  return others.some((other) => isWritable(other.descriptor) !== canWrite)
}

function targetsIn(pid: number): Set<string> {
  const directory = `/proc/${pid}/fd`
  return new Set(namesIn(directory).map((name) => linkOf(`${directory}/${name}`)))
}

/** As the mode of the link says: proc_pid_fd(5). */
function isWritable(descriptor: number): boolean {
  return quietly(() => (fs.lstatSync(`/proc/self/fd/${descriptor}`).mode & 0o200) !== 0) === true
}
