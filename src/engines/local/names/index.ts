/**
 * Named locks: a directory (the root) with a queue for each name that is in use. One member, and so one listening socket, serves all
 * queues of a root, and two processes have one connection for all of them. See docs/decisions/0007-names.md.
 */
import fs from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { randomBytes } from 'node:crypto'
import type { Engine, EngineSnapshot } from '../../../requests/engine.ts'
import { withRoom } from '../../../requests/idle.ts'
import { createTicketEngine } from '../../../requests/ticket-engine.ts'
import { debug } from '../../../debug.ts'
import type { LockAccess } from '../../../requests/lock-access.ts'
import type { Inspection } from '../inspect.ts'
import { inspectQueues } from '../inspect.ts'
import type { Address } from '../members/member.ts'
import type { PresentQueue } from '../members/presence.ts'
import { Presence } from '../members/presence.ts'
import { LocalQueue } from '../queue.ts'
import { QueuesLeft, QueueState } from '../state.ts'
import { notifyAgain } from '../leave.ts'
import { SocketAddresses } from '../platform/socket-addresses.ts'
import type { ListedTicket, OwnTicket } from '../ticket.ts'
import { openWindowsNames, windowsNames } from '../windows/index.ts'
import { memberFile } from '../members/member.ts'
import { addressOfTicket } from '../members/ticket-address.ts'
import { appear, disappear, refuseOtherPlatforms } from '../members/exit.ts'
import { defaultRoot, makeOwn } from './default-root.ts'
import { LongNames } from './long-names.ts'
import { decodeName, encodeName, isHashed } from './name-coding.ts'
import { NameDirectory, RootDirectory } from './name-directory.ts'
import { OwnTickets } from './own-tickets.ts'
import { Holders } from './steal.ts'
import type { SilentMember } from '../members/remove-stale.ts'
import { collectOf, removeFromRoot } from './remove-from-root.ts'
import { setInterval, clearInterval, monotonicNowMs } from '../../../real-time.ts'

/** How long a name's empty directory is kept, in ms, so that a hot name doesn't need a new one each time. */
const IDLE_MS = 1000
/** How many names may be idle at once before the oldest one's directory is removed. */
const MOST_IDLE = 100
/** The parts of a member's id: the client, then the number of its presence. */
const CLIENT_LENGTH = 8
const MEMBER_LENGTH = 12

/** How long to wait for answers. A snapshot is for debugging, so it is worth waiting for slow processes. */
const INSPECTION: Inspection = { clientOf, answerMs: 1000 }

const engines = new Map<string, Engine>()

/**
 * The engine of a root: one for each directory and access, in this thread.
 *
 * @param root its parent must exist. Undefined: a directory of this user's own.
 * @throws a SlocketError if the directory can't be used.
 */
export function localNames(root?: string, access?: LockAccess): Engine {
  if (process.platform === 'win32') return windowsNames(root, access)
  refuseOtherPlatforms()
  const directory = root === undefined ? defaultRoot() : realPath(root)
  const key = `${access ?? ''}:${directory}`
  let known = engines.get(key)
  if (known === undefined) {
    known = openNames(directory, root === undefined ? () => void makeOwn(directory) : undefined, access)
    engines.set(key, known)
  }
  return known
}

/** Creates another client. */
export function openNames(directory: string, prepare: () => void = () => {}, access?: LockAccess): Engine {
  if (process.platform === 'win32') return openWindowsNames(directory)
  const root = new Root(directory, prepare, access)
  return createTicketEngine({
    name: 'local',
    capabilities: { ordered: true, shared: true, permits: true, take: true, recovered: false, steal: true },
    resolve: (name) => name,
    open: (name, close) => root.open(name, close),
    query: (name) => root.query(name),
    queryAll: () => root.queryAll(),
  })
}

/** A queue of the root, with the state that its steps work on. */
interface BusyQueue {
  readonly state: QueueState
  readonly queue: LocalQueue
  readonly directory: NameDirectory
}

/** The queue of a name that had own tickets. */
interface IdleName {
  readonly directory: NameDirectory
  readonly sinceMs: number
  /** See `TicketEngineParts.open`. */
  readonly close: () => void
}

class Root implements PresentQueue {
  /** Own tickets in all queues, by id. */
  readonly own: Map<string, OwnTicket> = new Map()
  readonly #directory: RootDirectory
  readonly #presence: Presence
  readonly #longNames: LongNames
  /** The queues that have own tickets. */
  readonly #busy = new Map<object, BusyQueue>()
  /** Directories of queues that had own tickets, by path, and since when they have none; oldest first. */
  readonly #idle = new Map<string, IdleName>()
  readonly #left = new QueuesLeft()
  #idleTimer: NodeJS.Timeout | undefined
  #client = randomClient()
  #presences = 0

  constructor(path: string, prepare: () => void, access: LockAccess | undefined) {
    this.#directory = new RootDirectory(path, prepare, access)
    this.#longNames = new LongNames(this.#directory)
    const keeper = {
      onPresent: () => appear(this.#presence),
      onAway: () => disappear(this.#presence),
      collect: ({ file, inode }: SilentMember) => collectOf(this.#directory, file, inode),
    }
    this.#presence = new Presence(this.#directory, keeper, () => this.#newMemberId())
    this.#presence.attach(this)
  }

  open(name: string, close: () => void): LocalQueue {
    refuseOtherPlatforms()
    const file = encodeName(name)
    const directory = new NameDirectory(this.#directory, file)
    const keeper = {
      all: this.own,
      onBusy: ({ owner }: OwnTicket) => {
        this.#busy.set(state, { state, queue, directory })
        this.#idle.delete(directory.path)
        if (isHashed(file)) this.#longNames.write(file, name, owner.file)
      },
      onIdle: () => {
        this.#busy.delete(state)
        if (isHashed(file)) this.#longNames.remove(file)
        if (this.#presence.isPresent) return this.#becomeIdle(directory, close)
        directory.removeIfEmpty()
        close()
      },
    }
    const state: QueueState = new NameState(
      this.#directory,
      directory,
      this.#presence,
      new OwnTickets(keeper),
      this.#left,
    )
    state.stealing = new Holders(state, directory)
    const queue = new LocalQueue(state)
    return queue
  }

  onAsked(): void {
    // A ticket by which others wait stays in the queue after its lock was stolen, and this process may not know yet.
    for (const own of this.own.values()) {
      if (own.hasWaiters && own.isHeld) (own.home as QueueState).stealing?.isHolder(own)
    }
  }

  async query(name: string): Promise<EngineSnapshot> {
    this.#directory.refuseUnusable()
    const directory = new NameDirectory(this.#directory, encodeName(name))
    return (await withRoom(() => inspectQueues([{ directory, own: this.own }], INSPECTION)))[0]!
  }

  async queryAll(): Promise<Map<string, EngineSnapshot>> {
    this.#directory.refuseUnusable()
    this.onAsked()
    const names = new Map<string, NameDirectory>()
    const files = this.#directory.files()
    const longNames = files.some(isHashed) ? this.#longNames.read() : new Map<string, string>()
    for (const file of files) {
      const name = isHashed(file) ? longNames.get(file) : decodeName(file)
      if (name !== undefined) names.set(name, new NameDirectory(this.#directory, file))
    }
    const queues = [...names.values()].map((directory) => ({ directory, own: this.own }))
    const snapshots = await withRoom(() => inspectQueues(queues, INSPECTION))
    return new Map([...names.keys()].map((name, index) => [name, snapshots[index]!]))
  }

  onWake(ticket: string): void {
    const home = this.own.get(ticket)?.home
    if (home !== undefined) this.#busy.get(home)?.queue.onWake(ticket)
  }

  onConnected(): void {
    for (const { queue } of this.#busy.values()) queue.onConnected()
  }

  onDisconnected(peer: string): void {
    for (const { state } of this.#busy.values()) state.wakeOwn()
    notifyAgain(this.#left)
    // The member may have died, and left tickets in queues in which no process has noticed it.
    try {
      for (const file of this.#directory.memberNames()) if (file.startsWith(`${peer}.`)) this.#presence.ask(file)
    } catch (error) {
      debug('%s: what %s has left cannot be looked for: %s', this.#directory.path, peer, error)
    }
  }

  checkOwnTickets(touch: boolean): boolean {
    let needsCloseWatch = false
    for (const { queue } of this.#busy.values()) if (queue.checkOwnTickets(touch)) needsCloseWatch = true
    return needsCloseWatch
  }

  leave(): void {
    for (const { queue } of this.#busy.values()) queue.leave()
    for (const path of this.#idle.keys()) this.#removeIdle(path)
    if (this.own.size === 0) this.#left.clear()
  }

  #newMemberId(): string {
    const digits = MEMBER_LENGTH - CLIENT_LENGTH
    if (this.#presences === 36 ** digits) {
      this.#client = randomClient()
      this.#presences = 0
    }
    const which = this.#presences.toString(36).padStart(digits, '0')
    this.#presences += 1
    return this.#client + which
  }

  #becomeIdle(directory: NameDirectory, close: () => void): void {
    this.#idle.delete(directory.path)
    this.#idle.set(directory.path, { directory, close, sinceMs: monotonicNowMs() })
    if (this.#idle.size > MOST_IDLE) this.#removeIdle(this.#idle.keys().next().value!)
    this.#idleTimer ??= setInterval(() => this.#onIdleTimer(), IDLE_MS).unref()
  }

  #removeIdle(path: string): void {
    const idle = this.#idle.get(path)
    this.#idle.delete(path)
    idle?.directory.removeIfEmpty()
    idle?.close()
  }

  #onIdleTimer(): void {
    const now = monotonicNowMs()
    for (const [path, { sinceMs }] of this.#idle) if (now - sinceMs >= IDLE_MS) this.#removeIdle(path)
    if (this.#idle.size > 0) return
    clearInterval(this.#idleTimer)
    this.#idleTimer = undefined
  }
}

class NameState extends QueueState {
  readonly #root: RootDirectory
  readonly #own: OwnTickets

  constructor(root: RootDirectory, directory: NameDirectory, presence: Presence, own: OwnTickets, left: QueuesLeft) {
    super(directory, presence, own, left)
    this.#root = root
    this.#own = own
  }

  override isUsed(id: string): boolean {
    return this.#own.isUsed(id)
  }

  override onDead({ name, member, pid }: ListedTicket): void {
    const inode = this.directory.inodeOf(name)
    if (inode !== undefined) removeFromRoot(this.#root, memberFile(member, pid), inode)
  }

  /** Opened for one connection only: there may be many names, and a descriptor for each would be too much. */
  override addressOf(ticket: ListedTicket): Address {
    const { directory, name } = addressOfTicket(this.directory, ticket)
    const addresses = new SocketAddresses(directory)
    return { open: () => addresses.of(name), close: () => addresses.close() }
  }
}

/** Returns one path for a directory that may have several, and need not exist yet. */
function realPath(root: string): string {
  const directory = resolve(root)
  try {
    return fs.realpathSync(directory)
  } catch {
    try {
      return join(fs.realpathSync(dirname(directory)), basename(directory))
    } catch {
      // If something is wrong with it, that is reported when a lock is asked for.
      return directory
    }
  }
}

function randomClient(): string {
  return randomBytes(CLIENT_LENGTH).readBigUInt64LE().toString(36).padStart(CLIENT_LENGTH, '0').slice(-CLIENT_LENGTH)
}

function clientOf(ticket: ListedTicket): string {
  return ticket.member.slice(0, CLIENT_LENGTH)
}
