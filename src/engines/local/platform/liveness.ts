/** L: what a refused connection proves. */
import fs from 'node:fs'
import os from 'node:os'
import { SlocketError, systemCode } from '../../../errors.ts'
import { tellsRefusals } from './connect-error.ts'
import type { QueueDirectory } from '../directory.ts'
import { kernelId, UNKNOWN_KERNEL } from './kernel.ts'
import type { Reached } from '../members/member.ts'
import { memberFile, memberPid } from '../members/member.ts'
import { readText } from './proc.ts'
import type { ListedTicket } from '../ticket.ts'
import { witness } from './witness.ts'
import { wallNowMs } from '../../../real-time.ts'

/**
 * Judges a ticket whose owner could not be connected to: `refused` if it is dead, `gone` if it has left, `elsewhere` as for
 * {@link proofOfRefusal}, `busy` after a refusal that proves nothing; otherwise the result of the connection.
 *
 * @throws as `proofOfRefusal` and `Witness.look`.
 */
export function judgeFailure(
  directory: QueueDirectory,
  ticket: ListedTicket,
  reached: Exclude<Reached, 'connected'>,
): Exclude<Reached, 'connected'> | 'elsewhere' {
  const found = witness.look(directory.pathOf(ticket.name))
  if (found !== undefined) return REACHED_BY_LOOK[found]
  if (reached !== 'refused') return reached
  const proof = proofOfRefusal(directory, ticket)
  if (proof === 'dead') return 'refused'
  return proof === 'elsewhere' ? 'elsewhere' : 'busy'
}

const REACHED_BY_LOOK = { alive: 'busy', dead: 'refused', gone: 'gone' } as const

/**
 * Says what a refused connection (ECONNREFUSED) to the socket of a ticket proves.
 *
 * - `dead`: on Linux, if the ticket is seen by the mount that it was made by: a socket listens before its first ticket is
 *   linked, and a full backlog says EAGAIN (unix(7)).
 * - `nothing`: other kernels also refuse if the backlog is full, and Bun without `bun:ffi` reports EAGAIN as a refusal: there,
 *   the process must be gone as well. (On macOS and the BSDs, a refusal is never used as proof: witness.ts.)
 * - `elsewhere`: its process listens, but its socket cannot be reached from here. For good, if it uses the directory by
 *   another mount; for a moment, if a FUSE file system has lost track of which file a name leads to (gocryptfs, one in
 *   thousands of fast links and unlinks).
 *
 * A ticket with another kernel id is of an earlier boot, and dead; or of another kernel that runs now and shares
 * this directory (a virtual machine's), of which this kernel can know nothing. Only the latter was touched since this boot.
 *
 * @throws ERR_SLOCKET_OTHER_KERNEL; ERR_SLOCKET_RESOURCES.
 */
export function proofOfRefusal(directory: QueueDirectory, ticket: ListedTicket): 'dead' | 'elsewhere' | 'nothing' {
  if (isOtherKernel(ticket.kernel) && (directory.touchedMs(ticket.name) ?? 0) > bootedMs()) {
    throw new SlocketError(
      'ERR_SLOCKET_OTHER_KERNEL',
      `the lock '${directory.path}' has a ticket of another machine (pid ${ticket.pid} there, '${ticket.name}'): ` +
        "a local lock can't know whether that process is alive. Use an engine for several machines; if that machine is gone for good, remove the directory",
    )
  }
  if (process.platform !== 'linux' || !tellsRefusals()) return isProcessThere(ticket.pid) ? 'nothing' : 'dead'
  const member = memberFile(ticket.member, ticket.pid)
  const socket = listeningElsewhere(directory, ticket.pid, [`${member}.${ticket.number}`, member])
  if (socket === undefined) return 'dead'
  if (socket !== member) return 'elsewhere'
  // RACE: a ticket with one name had a socket of its own, and its process is dying: the kernel closes one socket after the other.
  // Or it is a link, and its process exits, and has removed the other name. Looked at again, it is dead, or lives still.
  return directory.hasOtherNames(ticket.name) ? 'elsewhere' : 'nothing'
}

/** Makes the error for a ticket whose socket listens, but refused every connection. */
export function otherMount(directory: QueueDirectory, ticket: ListedTicket): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_OTHER_MOUNT',
    `the lock '${directory.path}' has a ticket of a process that lives (pid ${ticket.pid}, '${ticket.name}'), but cannot be reached here: ` +
      'it uses the directory through another mount (bindfs, an overlay, or a layer of one). Make all users of the lock use the same mount',
  )
}

/** Whether the running kernel may be another one than `kernel`. A process without /proc cannot say which kernel it is on. */
function isOtherKernel(kernel: string): boolean {
  return kernel !== kernelId() && kernel !== UNKNOWN_KERNEL && kernelId() !== UNKNOWN_KERNEL
}

/** As {@link listeningElsewhere}, for the socket `file` only. False proves nothing. */
export function isListeningElsewhere(directory: QueueDirectory, file: string): boolean {
  const pid = memberPid(file)
  return pid !== undefined && listeningElsewhere(directory, Number(pid), [file]) !== undefined
}

/**
 * Finds the first of the sockets `files` that listens although it refused a connection: then the name leads this process to another inode than that of the
 * socket. The process `pid` made these sockets among the members. The kernel lists the sockets of this network
 * namespace under the names that they were bound to, and removes a socket from that list before it begins to refuse (unix_release_sock).
 *
 * Looks only if there is reason for doubt: the process runs, or links aren't known to work on the file system.
 *
 * @throws ERR_SLOCKET_RESOURCES.
 */
function listeningElsewhere(directory: QueueDirectory, pid: number, files: readonly string[]): string | undefined {
  if (directory.hasLinks && !isRunning(pid)) return undefined
  const lines = (readText('/proc/net/unix') ?? '').split('\n').filter((line) => LISTENING.test(line))
  return files.find((file) => lines.some((line) => line.endsWith(`/${file}`)))
}

/** False for a zombie, too: most processes that have just been killed are zombies, until their parent has reaped them. */
function isRunning(pid: number): boolean {
  if (!isProcessThere(pid)) return false
  try {
    fs.readlinkSync(`/proc/${pid}/exe`)
    return true
  } catch (error) {
    // ENOENT: it has no memory any more (proc_pid_exe(5)). EACCES: another user's process.
    return systemCode(error) !== 'ENOENT'
  }
}

/** A listening socket: the flag __SO_ACCEPTCON in the fourth column of /proc/net/unix (proc(5)). Accepted connections have its name, but not the flag. */
const LISTENING = /^\S+ \S+ \S+ 00010000 /

/** When this kernel booted, by the wall clock as it is set now. */
function bootedMs(): number {
  return wallNowMs() - os.uptime() * 1000
}

/** Whether this process can see a process with this id. It proves nothing: see pid_namespaces(7). */
export function isProcessThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
