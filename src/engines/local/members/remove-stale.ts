/**
 * Removes the sockets of dead members, so that the directory can be removed when the last member leaves. A process that makes a member asks some of
 * the others for a sign of life: all that look dead, and a few of the rest.
 */
import { debug } from '../../../debug.ts'
import { systemCode } from '../../../errors.ts'
import { builtInNet } from '../platform/built-in.ts'
import { toConnectError } from '../platform/connect-error.ts'
import type { QueueDirectory } from '../directory.ts'
import { isListeningElsewhere, isProcessThere } from '../platform/liveness.ts'
import type { Member } from './member.ts'
import { memberFile, memberPid } from './member.ts'
import type { Found } from '../platform/held-file.ts'
import type { SocketAddresses } from '../platform/socket-addresses.ts'
import { witness } from '../platform/witness.ts'
import { MEMBERS } from '../ticket-name.ts'

/** The socket of a member that refused a connection. */
export interface SilentMember {
  readonly file: string
  readonly inode: number
}

export interface Asker {
  /** Finds what such a member has left now, besides its socket, to be removed if it is dead. Undefined if there is nothing. */
  collect(member: SilentMember): (() => void) | undefined
  /** Called after each member, when everything that was opened for it is closed again. @param hasRemoved whether what it had left was removed. */
  onAsked(hasRemoved: boolean): void
}

/** How many members are asked: those whose process cannot be seen, and others. */
const MOST_SUSPECTS = 100
const MOST_SAMPLES = 8
/** How many members this thread asks at once: each takes a descriptor. */
const AT_ONCE = 8

/** The members of one directory that are to be asked. */
interface Round {
  readonly directory: QueueDirectory
  readonly addresses: SocketAddresses
  readonly own: Member
  readonly asker: Asker
  /** Undefined until the first of them is asked. */
  left: string[] | undefined
}

/** The rounds of this thread that have not ended, by the path of the directory, oldest first. */
const rounds = new Map<string, Round>()
/** How many members are asked now. */
let asked = 0
let isAsking = false

/**
 * Asks as many members as may be asked at once, and the others later. A thread that only blocks asks no more than those: it hears no answer, and
 * may make thousands of members meanwhile.
 */
export function removeStaleMembers(
  directory: QueueDirectory,
  addresses: SocketAddresses,
  own: Member,
  asker: Asker,
): void {
  // A round that has members left goes on. Otherwise those of other directories might never be asked, nor the last ones here.
  const left = rounds.get(directory.path)?.left
  rounds.set(directory.path, { directory, addresses, own, asker, left: left?.length === 0 ? undefined : left })
  askMore()
}

function askMore(): void {
  // Some members are asked without waiting, and then this is called again.
  if (isAsking) return
  isAsking = true
  try {
    // Bound: each time, a member is asked, or a round ends.
    while (asked < AT_ONCE && rounds.size > 0) askNext(rounds.values().next().value!)
  } finally {
    isAsking = false
  }
}

function askNext(round: Round): void {
  const { directory, addresses, asker } = round
  const name = takeNext(round)
  if (name === undefined) return void rounds.delete(directory.path)
  let isOver = false
  const onAsked = (hasRemoved: boolean): void => {
    if (isOver) return
    isOver = true
    asked -= 1
    asker.onAsked(hasRemoved)
    askMore()
  }
  asked += 1
  try {
    askMember(directory, addresses, name, { ...asker, onAsked })
  } catch (error) {
    // The cleanup isn't urgent.
    debug('%s: removing stale members: %s', directory.path, error)
    onAsked(false)
  }
}

function takeNext(round: Round): string | undefined {
  try {
    round.left ??= membersToAsk(round.directory, round.own)
    return round.left.shift()
  } catch (error) {
    debug('%s: removing stale members: %s', round.directory.path, error)
    return undefined
  }
}

/**
 * Asks one member for a sign of life. The name of its socket proves less than that of a ticket: a socket refuses between its bind(2) and its
 * listen(2), too, and its process may be held up there. So it is asked once more after everything to be removed has been found: tickets, which are
 * made only of sockets that listen. (The socket's name itself may be removed in any case: a live member then makes a new one.)
 */
export function askMember(directory: QueueDirectory, addresses: SocketAddresses, name: string, asker: Asker): void {
  if (witness.kind === 'file') return removeIfDead(directory, name, asker)
  const socketName = `${MEMBERS}/${name}`
  const inode = directory.inodeOf(socketName)
  if (inode === undefined) return asker.onAsked(false)
  const removeSocket = (): void => {
    // Something else may have been put in the place of the directory meanwhile.
    if (directory.inodeOf(socketName) === inode) directory.removeEntry(socketName)
  }
  knock(addresses.of(socketName), (isRefused) => {
    if (!isRefused || isAlive(directory, name)) return asker.onAsked(false)
    const found = collectOf(directory, name, asker)
    if (found === 'unknown') return asker.onAsked(false)
    if (found === undefined) {
      removeSocket()
      return asker.onAsked(true)
    }
    askAgain(directory, addresses, socketName, (isDead) => {
      if (isDead) {
        found()
        removeSocket()
      }
      asker.onAsked(isDead)
    })
  })
}

/**
 * The same for a member whose file is held while it lives. The file isn't held yet when it has just been made, so it is looked at once more after everything to be
 * removed has been found. A socket without a file beside it was left behind: it is made after the file, and removed before it. (Somebody
 * may have removed the file of a live member. Without its socket, others look by the clock.)
 */
function removeIfDead(directory: QueueDirectory, file: string, asker: Asker): void {
  const leftovers = lookAtMember(directory, file) === 'dead' ? collectOf(directory, file, asker) : undefined
  if (leftovers === 'unknown') return asker.onAsked(false)
  const found = lookAtMember(directory, file)
  if (found === 'dead') leftovers?.()
  const isOver = found === 'dead' || found === 'gone'
  if (isOver) directory.removeMemberFiles(file)
  asker.onAsked(isOver)
}

/** Undefined if that can't be found out. */
function lookAtMember(directory: QueueDirectory, file: string): Found | undefined {
  try {
    return witness.look(directory.pathOfMember(file))
  } catch (error) {
    debug('%s: whether %s is dead cannot be found: %s', directory.path, file, error)
    return undefined
  }
}

/** Or cannot be known to be dead. */
function isAlive(directory: QueueDirectory, name: string): boolean {
  try {
    return isListeningElsewhere(directory, name)
  } catch (error) {
    debug('%s: whether %s is dead cannot be found: %s', directory.path, name, error)
    return true
  }
}

/** `unknown` if that can't be found out. The socket must stay then: without it, no later user of the lock would look. */
function collectOf(directory: QueueDirectory, file: string, asker: Asker): (() => void) | 'unknown' | undefined {
  const inode = directory.inodeOf(`${MEMBERS}/${file}`)
  try {
    return inode === undefined ? undefined : asker.collect({ file, inode })
  } catch (error) {
    debug('%s: what %s has left cannot be found: %s', directory.path, file, error)
    return 'unknown'
  }
}

function askAgain(
  directory: QueueDirectory,
  addresses: SocketAddresses,
  socketName: string,
  onAsked: (isRefused: boolean) => void,
): void {
  try {
    knock(addresses.of(socketName), onAsked)
  } catch (error) {
    debug('%s: %s cannot be asked: %s', directory.path, socketName, error)
    onAsked(false)
  }
}

/** Calls `onAsked` once the socket is closed again. */
function knock(path: string, onAsked: (isRefused: boolean) => void): void {
  const socket = builtInNet().connect({ path })
  socket.unref()
  socket.once('connect', () => socket.destroy())
  // 'close' is enough, and also comes while ticks are faked: see connect.ts.
  socket.on('error', () => {})
  socket.once('close', () => {
    const { errored } = socket
    onAsked(errored !== null && systemCode(toConnectError(path, errored)) === 'ECONNREFUSED')
  })
}

/**
 * The process id only decides which members to ask first: it may belong to another process by now, or to another pid namespace
 * (process 1 of every container always exists). A thousand members may belong to a few processes: each process is looked for once.
 */
function membersToAsk(directory: QueueDirectory, own: Member): string[] {
  const ownFile = memberFile(own.id)
  const areThere = new Map<string, boolean>()
  const suspects: string[] = []
  const rest: string[] = []
  for (const name of new Set(directory.memberNames().map((entry) => witness.fileOf(entry)))) {
    const pid = memberPid(name)
    if (pid === undefined || name === ownFile) continue
    const isThere = areThere.get(pid) ?? isProcessThere(Number(pid))
    areThere.set(pid, isThere)
    if (isThere) rest.push(name)
    else if (suspects.length < MOST_SUSPECTS) suspects.push(name)
  }
  return [...suspects, ...takeSome(rest)].filter((name) => !directory.isForeign(`${MEMBERS}/${name}`))
}

/** Removes some of them, at random, and returns those. */
function takeSome(names: string[]): string[] {
  const some: string[] = []
  while (some.length < MOST_SAMPLES && names.length > 0) {
    some.push(...names.splice(Math.floor(Math.random() * names.length), 1))
  }
  return some
}
