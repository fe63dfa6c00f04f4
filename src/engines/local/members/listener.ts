/** Creates and removes the listening sockets of members. */
import type net from 'node:net'
import { isSlocketError, SlocketError, systemCode } from '../../../errors.ts'
import { debug } from '../../../debug.ts'
import { shareSocket } from '../platform/access.ts'
import { builtInNet } from '../platform/built-in.ts'
import type { QueueDirectory } from '../directory.ts'
import { DirectoryGone, DirectoryUnfinished } from '../lock-directory.ts'
import { closeQuietly } from './exit.ts'
import type { HeldFile } from '../platform/held-file.ts'
import type { OpenDirectory } from '../platform/open-directory.ts'
import { SocketAddresses } from '../platform/socket-addresses.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { witness } from '../platform/witness.ts'
import { MEMBERS } from '../ticket-name.ts'

/** Linux cuts it to net.core.somaxconn. */
const BACKLOG = 65_535

/** A socket that listens, until it is closed. */
export interface Listener {
  readonly server: net.Server
  /** The file that shows that the member is alive, if the socket doesn't: platform/witness.ts. */
  readonly held?: HeldFile | undefined
  /** Closes the socket, and removes its names. */
  close(): void
}

/**
 * Listens in `members`: the directory's `.members`, opened. libuv reports a missing directory as EACCES
 * (uv_pipe_bind). This function tells the two apart, some time after the fact, when another process may have created the directory again.
 *
 * Every process that can make tickets in the directory can connect to the socket, regardless of the umask, from before its first ticket on.
 *
 * @param file the name of the member's file: its socket, or the held file that shows that the member is alive, which is made first.
 * @returns at once if the runtime listens at once.
 */
export function listen(directory: QueueDirectory, members: OpenDirectory, file: string): Listener | Promise<Listener> {
  const name = witness.socketOf(file)
  const server = builtInNet().createServer()
  // An error after it listens is an error of accepting (EMFILE): the process that connected looks again by itself.
  server.on('error', (error) => debug('member %s: %s', name, error))
  const addresses = new SocketAddresses(members.path)
  // It doesn't listen through the primary of a cluster, which would share one socket among its workers.
  const path = addresses.of(name)
  const held = holdFile(directory, members, file, addresses)
  const giveUp = (): void => {
    if (held === undefined) return
    directory.removeMemberFiles(file)
    held.close()
  }
  try {
    server.listen({ path, exclusive: true, backlog: BACKLOG })
  } catch (error) {
    addresses.close()
    giveUp()
    // Node's permission model throws; other failures are events.
    throw systemCode(error) === undefined ? error : toListenError(error as Error, directory, `${MEMBERS}/${name}`)
  }
  server.unref()
  const close = (): void => {
    closeQuietly(server)
    // libuv would remove the socket by the address at which it was made, which leads nowhere any more.
    directory.removeMemberFiles(file)
    held?.close()
  }
  const share = (): Listener => {
    try {
      shareSocket(members, name)
      return { server, held, close }
    } catch (error) {
      close()
      const failure = toSlocketError(error, 'make a socket in', directory.path)
      throw isGone(error) ? new DirectoryGone(failure) : failure
    }
  }
  if (server.listening) {
    addresses.close()
    return share()
  }
  return new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void => {
      reject(toListenError(error, directory, `${MEMBERS}/${name}`))
      // exfat-fuse makes a regular file, and reports EIO.
      directory.removeEntry(`${MEMBERS}/${name}`)
      giveUp()
    }
    server.once('error', onError)
    // From then on, an error is an error of accepting, and the socket stays.
    server.once('listening', () => {
      server.off('error', onError)
      resolve()
    })
  })
    .finally(() => addresses.close())
    .then(share)
}

/** Makes and holds the file that shows that a member is alive. Undefined if the member's socket does. */
function holdFile(
  directory: QueueDirectory,
  members: OpenDirectory,
  file: string,
  addresses: SocketAddresses,
): HeldFile | undefined {
  try {
    return witness.hold(members, file)
  } catch (error) {
    addresses.close()
    if (isSlocketError(error)) throw error
    // RACE: a process that looked at it before it was held takes it for a dead member's file. The next try has another name.
    if (systemCode(error) !== 'EAGAIN') throw toListenError(error as Error, directory, `${MEMBERS}/${file}`)
    throw new DirectoryGone(toSlocketError(error, 'make a ticket in', directory.path))
  }
}

const NO_SOCKETS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENXIO'])

function toListenError(error: Error, directory: QueueDirectory, name: string): Error {
  const code = systemCode(error)
  if (isGone(error) || (code === 'EACCES' && directory.canMakeSockets())) {
    return new DirectoryGone(toSlocketError(error, 'make a socket in', directory.path))
  }
  if (code === 'EACCES' && directory.isShared) {
    return new DirectoryUnfinished(toSlocketError(error, 'make a socket in', directory.path))
  }
  if (NO_SOCKETS.has(code ?? '') || directory.isForeign(name)) {
    return new SlocketError(
      'ERR_SLOCKET_NO_SOCKETS',
      `the file system of '${directory.path}' holds no sockets (${code}); use a directory on another one`,
      { cause: error },
    )
  }
  return toSlocketError(error, 'make a socket in', directory.path)
}
