/**
 * The local engine: locks among all processes and threads of one machine, as a queue of listening Unix sockets in a
 * directory. Start reading at queue.ts; docs/algorithm.md explains why it works. On Windows, the directory has files in place of sockets: windows/.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { Engine, EngineCapabilities, EngineSnapshot, Requester } from '../../requests/engine.ts'
import { withRoom } from '../../requests/idle.ts'
import type { Claim } from '../../core/claim.ts'
import { checkKnownOptions } from '../../requests/known-options.ts'
import type { LockAccess } from '../../requests/lock-access.ts'
import { ACCESSES, isAccess } from '../../requests/lock-access.ts'
import type { SlocketError } from '../../errors.ts'
import { systemCode } from '../../errors.ts'
import type { TicketEngine, TicketEngineParts } from '../../requests/ticket-engine.ts'
import { createTicketEngine } from '../../requests/ticket-engine.ts'
import type { HoldingTicket, TakenAway } from './break.ts'
import { breakable, breakHolders, takeFromHolders } from './break.ts'
import { QueueDirectory } from './directory.ts'
import { inspect } from './inspect.ts'
import { Presence } from './members/presence.ts'
import { appear, disappear, refuseOtherPlatforms } from './members/exit.ts'
import type { DirectoryOptions } from './lock-directory.ts'
import type { LockHandle } from './lock-handle.ts'
import { makeParents } from './parents.ts'
import type { LocalQueue } from './queue.ts'
import { PathQueue } from './queue.ts'
import { QueueState } from './state.ts'
import { toSlocketError } from './platform/system-error.ts'
import type { OwnTicket } from './ticket.ts'
import { TicketSocket } from './members/ticket-socket.ts'
import { breakableOnWindows, claimsOnWindows, openWindowsLocks } from './windows/index.ts'

/** Options of {@link local}. An unknown option is a TypeError. */
export interface LocalOptions {
  /** Which users can use the locks, regardless of the umask: `user`, `group` or `all`, as `SlocketOptions.access`. Default: what the umask allows. */
  readonly access?: LockAccess | undefined
}

const LOCAL_OPTIONS: ReadonlySet<string> = new Set(['access'])

/**
 * Creates an engine whose locks are directories on this machine, like those of the default engine. Another engine in the same process is another client, as if
 * it were another process.
 *
 * The name of a lock is its path. A relative path is resolved against the working directory at the time of the call.
 *
 * ```js
 * const lock = await slocket('/srv/report.lock', { engine: local({ access: 'all' }) })
 * ```
 *
 * @throws TypeError for wrong options.
 */
export function local(options: LocalOptions = {}): Engine {
  if (typeof options !== 'object' || options === null) {
    // A caller that passes a directory expects its locks there.
    throw new TypeError('options of local() must be an object: the path of a lock goes to slocket()')
  }
  checkKnownOptions(options, LOCAL_OPTIONS, 'local()')
  const { access } = options
  if (access !== undefined && !isAccess(access)) throw new TypeError(`options.access must be ${ACCESSES}`)
  return openLocal(access).engine
}

const engineOfAccess = new Map<LockAccess | undefined, TicketEngine>()
const clientsOfThisThread: LocalClient[] = []

/** The engine for `access` that all calls in this thread share. In a query, requests of any of these engines belong to this thread. */
export function localFor(access: LockAccess | undefined): TicketEngine {
  let engine = engineOfAccess.get(access)
  if (engine === undefined) {
    engine = engineOf(
      isWindows() ? openWindowsLocks({ access }, true) : new LocalClient({ access }, clientsOfThisThread),
    )
    engineOfAccess.set(access, engine)
  }
  return engine
}

/** @internal A local engine, and what the command needs from it. */
export interface OpenLocal {
  readonly engine: Engine
  /** What keeps the lock at `path`, which this client holds. Undefined if it holds none. */
  handleOf(path: string): LockHandle | undefined
}

/** @internal */
export function openLocal(access?: LockAccess): OpenLocal {
  const client = isWindows() ? openWindowsLocks({ access }, false) : new LocalClient({ access })
  return { engine: engineOf(client), handleOf: (resource) => client.handleOf(resolvePath(resource)) }
}

/**
 * As {@link local}, for paths at which another tool makes its locks by `mkdir` and keeps their times fresh (proper-lockfile): an
 * empty directory that slocket did not make is another tool's lock until it is `staleMs` old. See mkdir-lock.ts. All calls in this thread share one
 * engine for each `staleMs`.
 */
export function localBesideMkdir(staleMs: number): TicketEngine {
  let engine = engineOfStaleMs.get(staleMs)
  if (engine === undefined) {
    const options = { mkdirStaleMs: staleMs }
    engine = engineOf(isWindows() ? openWindowsLocks(options, false) : new LocalClient(options))
    engineOfStaleMs.set(staleMs, engine)
  }
  return engine
}

const engineOfStaleMs = new Map<number, TicketEngine>()

/**
 * The claims that this thread has in the queue at `resource`, held or waiting, under any name of that directory, and in any
 * engine made here. Releasing any of them, or going on waiting, takes a turn of the event loop.
 */
export function claimsOfThisThread(resource: string): Claim[] {
  if (isWindows()) return claimsOnWindows((directory) => isSameDirectory(resolvePath(resource), directory))
  if (presentHere.size === 0) return []
  const asked = identityOf(resolvePath(resource))
  const claims: Claim[] = []
  for (const { directory, queue } of presentHere) {
    if (asked === undefined || identityOf(directory) !== asked) continue
    for (const { claim } of queue.own.values()) claims.push(claim)
  }
  return claims
}

/** @internal For `slocket break`: as `Engine.breakHolders`, but it isn't an error if something couldn't be taken away. */
export async function breakLocal(
  resource: string,
  confirm: (found: readonly HoldingTicket[]) => Promise<boolean>,
): Promise<TakenAway & { readonly failure: (left: string) => SlocketError }> {
  const directory = resolvePath(resource)
  const queue = isWindows() ? breakableOnWindows(directory) : breakable(new QueueDirectory(directory), () => new Map())
  return { ...(await takeFromHolders(queue, confirm)), failure: (left) => queue.failure(left) }
}

/** Undefined if nothing is there. */
function identityOf(directory: string): string | undefined {
  try {
    const stats = fs.statSync(directory, { bigint: true, throwIfNoEntry: false })
    return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`
  } catch (error) {
    // It cannot be looked at. A request that joins gets the same error, and reports it.
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}

/** Read at each call, since tests change it. */
function isWindows(): boolean {
  return process.platform === 'win32'
}

/** All engines made here have the same locks. */
const SPACE = {}

const CAPABILITIES: EngineCapabilities = {
  ordered: true,
  shared: true,
  permits: true,
  take: true,
  recovered: true,
  downgrade: true,
}

/** What an engine is made of. */
type LocalLocks = Pick<TicketEngineParts, 'open' | 'query'> & Pick<LocalClient, 'breakHolders'>

function engineOf(client: LocalLocks): TicketEngine {
  const engine = createTicketEngine({
    name: 'local',
    capabilities: CAPABILITIES,
    space: SPACE,
    resolve: resolvePath,
    open: (directory, close) => client.open(directory, close),
    query: (directory, signal) => client.query(directory, signal),
  })
  return {
    ...engine,
    resolve: resolvePath,
    makeParents: (resource) => makeParents(resolvePath(resource)),
    isSame: isSameDirectory,
    orderKey: orderKeyOf,
    breakHolders: async (resource, confirm) => await client.breakHolders(resolvePath(resource), confirm),
  }
}

function isSameDirectory(one: string, other: string): boolean {
  const identity = identityOf(one)
  return identity !== undefined && identity === identityOf(other)
}

/**
 * The same for every name of a lock, and in every mount namespace: first the lock's own name, without case, which the file system may ignore; then the
 * directory that it is in.
 *
 * @throws ERR_SLOCKET_NO_PARENT and the like if there is no such directory: without it, another caller might find another order.
 */
function orderKeyOf(resource: string): string {
  const name = path.basename(resource)
  const folded = name.normalize('NFD').toUpperCase().toLowerCase().normalize('NFD')
  try {
    const { dev, ino } = fs.statSync(path.dirname(resource), { bigint: true })
    return [folded, dev, ino, name].join('\0')
  } catch (error) {
    throw toSlocketError(error, 'find the directory of', resource)
  }
}

interface Present {
  readonly directory: string
  readonly queue: LocalQueue
  readonly presence: Presence
  /** See `TicketEngineParts.open`. */
  close: () => void
}

class LocalClient {
  /** The queues in which this client is present, by the absolute paths of their directories. */
  readonly #present = new Map<string, Present>()
  readonly #options: DirectoryOptions
  /** The clients that count as one in a query, including this one. */
  readonly #siblings: LocalClient[]

  constructor(options: DirectoryOptions, siblings: LocalClient[] = []) {
    this.#options = options
    this.#siblings = siblings
    siblings.push(this)
  }

  open(directory: string, close: () => void): LocalQueue {
    refuseOtherPlatforms()
    const known = this.#present.get(directory)
    if (known !== undefined) {
      known.close = close
      return known.queue
    }
    const queueDirectory = new QueueDirectory(directory, this.#options)
    const presence = new Presence(queueDirectory, {
      onPresent: () => this.#onPresent(present),
      onAway: () => this.#onAway(present),
    })
    const queue = new PathQueue(new QueueState(queueDirectory, presence))
    const present: Present = { directory, queue, presence, close }
    presence.attach(queue)
    return queue
  }

  query(directory: string, signal: AbortSignal | undefined): Promise<EngineSnapshot> {
    refuseOtherPlatforms()
    const queue = new QueueDirectory(directory, this.#options)
    return withRoom(() => inspect(queue, () => this.#ownIn(directory), { signal }))
  }

  async breakHolders(
    directory: string,
    confirm: (held: readonly Requester[]) => Promise<boolean>,
  ): Promise<readonly Requester[]> {
    refuseOtherPlatforms()
    const queue = breakable(new QueueDirectory(directory, this.#options), () => this.#ownIn(directory))
    return await breakHolders(queue, confirm)
  }

  /** The tickets in a queue that count as this thread's in a query, by id. */
  #ownIn(directory: string): Map<string, OwnTicket> {
    return new Map(this.#siblings.flatMap((client) => [...(client.#present.get(directory)?.queue.own ?? [])]))
  }

  handleOf(directory: string): LockHandle | undefined {
    const present = this.#present.get(directory)
    for (const own of present?.queue.own.values() ?? []) {
      if (own.isHeld && !own.isOver)
        return new TicketSocket(own, `${directory}/${own.name}`, () => present!.presence.addressOf(own.name))
    }
    return undefined
  }

  #onPresent(present: Present): void {
    this.#present.set(present.directory, present)
    presentHere.add(present)
    appear(present.presence)
  }

  #onAway(present: Present): void {
    disappear(present.presence)
    // It goes on holding while the process exits. When it stops holding, this is called again.
    if (present.queue.own.size > 0) return
    if (this.#present.get(present.directory) === present) this.#present.delete(present.directory)
    presentHere.delete(present)
    present.close()
  }
}

/** The same for all clients in this thread. */
const presentHere = new Set<Present>()

/**
 * The absolute path of a lock or a root.
 *
 * @throws TypeError for a path that no file can have; ERR_SLOCKET_NO_PARENT if it is relative and the working directory is gone.
 */
export function resolvePath(resource: string): string {
  if (resource !== lastAbsolute) return resolveAnew(resource)
  return lastResolved
}

/** The last absolute path, which needs no working directory, and what it resolved to: most programs ask for one lock again and again. */
let lastAbsolute: string | undefined
let lastResolved = ''

function resolveAnew(resource: string): string {
  // The file system would write U+FFFD for each half of a surrogate pair, and two names would be one lock.
  if (!resource.isWellFormed()) throw new TypeError(`the path ${JSON.stringify(resource)} is not well-formed Unicode`)
  try {
    const resolved = path.resolve(resource)
    if (path.isAbsolute(resource)) {
      lastAbsolute = resource
      lastResolved = resolved
    }
    return resolved
  } catch (error) {
    // A relative path, and the working directory was removed.
    throw toSlocketError(error, 'find', resource)
  }
}
