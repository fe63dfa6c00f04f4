/**
 * Tests, on a file system for which that isn't known, whether a listening socket can be reached by other names than the name
 * that it was made by. With the high-level interface of FUSE (bindfs, mergerfs, unionfs-fuse, encfs, ntfs-3g) a hard link
 * has an inode of its own, though stat may show the same number, and connecting to it is refused while the socket's
 * process lives (measured with the packages of Debian 12 on Linux 6.18). A renamed socket is reached there.
 */
import fs from 'node:fs'
import { isSlocketError, SlocketError, systemCode } from '../../../errors.ts'
import { DirectoryGone } from '../lock-directory.ts'
import { probeSocket } from './probe-socket.ts'
import { SocketAddresses } from './socket-addresses.ts'
import { isGone, NO_LINKS, toSlocketError } from './system-error.ts'

/**
 * Whether a hard link leads to the listening socket `name`. Uses a second name beside it for a moment.
 *
 * @throws DirectoryGone if the socket was removed meanwhile; ERR_SLOCKET_NO_SOCKETS if the socket is not reached when it
 *   is renamed either; what a system error means.
 */
export async function canLinkSocket(directory: string, name: string): Promise<boolean> {
  const other = trialName(name)
  const [from, to] = [`${directory}/${name}`, `${directory}/${other}`]
  const addresses = new SocketAddresses(directory)
  try {
    if (makeLink(from, to)) {
      const isReached = await isListening(addresses, other).finally(() => fs.rmSync(to, { force: true }))
      if (isReached) return true
    }
    fs.renameSync(from, to)
    if (await isListening(addresses, other).finally(() => fs.renameSync(to, from))) return false
  } catch (error) {
    if (isSlocketError(error) || systemCode(error) === undefined) throw error
    const failure = toSlocketError(error, 'make a socket in', directory)
    throw isGone(error) ? new DirectoryGone(failure) : failure
  } finally {
    addresses.close()
  }
  throw new SlocketError(
    'ERR_SLOCKET_NO_SOCKETS',
    `on the file system of '${directory}' a socket is not reached by a second name; use a directory on another one`,
  )
}

/** The second name that the socket `name` has for a moment, or its only one. */
export function trialName(name: string): string {
  return `${name}.0`
}

/** False if the file system has no hard links. */
function makeLink(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to)
    return true
  } catch (error) {
    if (NO_LINKS.has(systemCode(error) ?? '')) return false
    throw error
  }
}

async function isListening(addresses: SocketAddresses, name: string): Promise<boolean> {
  const error = await probeSocket(addresses.of(name))
  // EAGAIN: others have filled its backlog, so it listens.
  if (error === undefined || systemCode(error) === 'EAGAIN') return true
  if (systemCode(error) === 'ECONNREFUSED') return false
  throw error
}
