/** L: what a refused connection proves. */
import os from 'node:os'
import { SlocketError, systemCode } from '../../errors.ts'
import type { QueueDirectory } from './directory.ts'
import { kernelId } from './kernel.ts'
import { isBun } from './runtime.ts'
import type { ListedTicket } from './ticket.ts'

/**
 * Whether a ticket whose socket refused a connection (ECONNREFUSED) is dead.
 *
 * On Linux that is proof: a socket listens before its first ticket is linked, and a full backlog says EAGAIN (unix(7)).
 * BSD kernels refuse when the backlog is full too, and Bun says that it was refused when it was EAGAIN: there the process
 * must be gone as well.
 *
 * A ticket of another kernel id is one of an earlier boot, which is dead; or of another kernel that runs now and shares
 * this directory (a virtual machine's), of which this kernel can know nothing. Only the latter was touched since this boot.
 *
 * @throws ERR_SLOCKET_OTHER_KERNEL.
 */
export function isProvenDead(directory: QueueDirectory, ticket: ListedTicket): boolean {
  if (ticket.kernel !== kernelId() && (directory.touchedMs(ticket.name) ?? 0) > bootedMs()) {
    throw new SlocketError(
      'ERR_SLOCKET_OTHER_KERNEL',
      `the lock '${directory.path}' has a ticket of another machine (pid ${ticket.pid} there, '${ticket.name}'): ` +
        'a local lock cannot tell whether it lives. Use an engine made for several machines',
    )
  }
  return (process.platform === 'linux' && !isBun) || !isProcessThere(ticket.pid)
}

/** When this kernel booted, by the wall clock as it is set now. */
function bootedMs(): number {
  return Date.now() - os.uptime() * 1000
}

/** Whether a process of this id can be seen from here. No proof of anything: see pid_namespaces(7). */
export function isProcessThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}
