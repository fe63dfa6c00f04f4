/**
 * Removes the sockets of dead members, so that the directory can go when the last one leaves. Who makes a member asks some of
 * the others for a sign of life: all that look dead, and a few of the rest.
 */
import { debug } from '../../debug.ts'
import { systemCode } from '../../errors.ts'
import { builtInNet } from './built-in.ts'
import type { QueueDirectory } from './directory.ts'
import { isProcessThere } from './liveness.ts'
import type { Member } from './member.ts'
import { memberFile, memberPid } from './member.ts'
import type { SocketAddresses } from './short-path.ts'
import { MEMBERS } from './ticket-name.ts'

/** The socket of a dead member, as it was. */
export interface DeadMember {
  readonly file: string
  readonly inode: number
}

/** How many are asked: those whose process cannot be seen, and others. */
const MOST_SUSPECTS = 100
const MOST_SAMPLES = 8

/** @param onAsked called after each one that could not be connected to; with its file and inode where it is dead. */
export function sweepMembers(
  directory: QueueDirectory,
  addresses: SocketAddresses,
  own: Member,
  onAsked: (dead?: DeadMember) => void,
): void {
  try {
    for (const name of membersToAsk(directory, own)) askMember(directory, addresses, name, onAsked)
  } catch (error) {
    // Nobody needs it swept now.
    debug('%s: sweep: %s', directory.path, error)
  }
}

/** Asks one member for a sign of life. */
export function askMember(
  directory: QueueDirectory,
  addresses: SocketAddresses,
  name: string,
  onAsked: (dead?: DeadMember) => void,
): void {
  const socket = builtInNet().connect({ path: addresses.of(`${MEMBERS}/${name}`) })
  socket.unref()
  socket.once('connect', () => socket.destroy())
  socket.once('error', (error) => {
    if (systemCode(error) !== 'ECONNREFUSED') return onAsked()
    const inode = directory.inodeOf(`${MEMBERS}/${name}`)
    directory.sweep(`${MEMBERS}/${name}`)
    onAsked(inode === undefined ? undefined : { file: name, inode })
  })
}

/**
 * The process id only says whom to ask first: it may be another process's by now, or that of another pid namespace
 * (process 1 of every container is always there).
 */
function membersToAsk(directory: QueueDirectory, own: Member): string[] {
  const names = directory.memberNames().filter((name) => memberPid(name) !== undefined)
  const others = names.filter((name) => name !== memberFile(own.id))
  const isForeign = (name: string): boolean => directory.isForeign(`${MEMBERS}/${name}`)
  const isThere = (name: string): boolean => isProcessThere(Number(memberPid(name)))
  const suspects = others.filter((name) => !isThere(name)).slice(0, MOST_SUSPECTS)
  const rest = others.filter(isThere).sort(() => Math.random() - 0.5)
  return [...suspects, ...rest.slice(0, MOST_SAMPLES)].filter((name) => !isForeign(name))
}
