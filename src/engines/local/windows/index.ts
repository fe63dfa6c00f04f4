/**
 * The local engine on Windows: locks among all processes and threads of one machine, as a queue of files that their owners hold open. Start reading at
 * queue.ts.
 */
import fs from 'node:fs'
import type { Engine, EngineSnapshot, Requester } from '../../../requests/engine.ts'
import { withRoom } from '../../../requests/idle.ts'
import type { LockAccess } from '../../../requests/lock-access.ts'
import type { Claim } from '../../../core/claim.ts'
import type { Breakable } from '../break.ts'
import { breakHolders } from '../break.ts'
import type { LockHandle } from '../lock-handle.ts'
import { appear, disappear } from '../members/exit.ts'
import { breakable } from './break.ts'
import { WindowsDirectory } from './directory.ts'
import { inspect } from './inspect.ts'
import { namesOnWindows, openNamesIn } from './names.ts'
import type { Found } from './held-file.ts'
import { OPEN, probe } from './held-file.ts'
import { refuseNetwork, shareBehind } from './network.ts'
import { checkWindowsPath } from './paths.ts'
import { Presence } from './presence.ts'
import { WindowsPathQueue } from './queue.ts'
import type { OwnTicket } from './ticket.ts'
import { refuseAccess } from './unsupported.ts'

/** How a client makes its locks. */
export interface WindowsOptions {
  readonly access?: LockAccess | undefined
  readonly mkdirStaleMs?: number | undefined
}

interface Present {
  readonly directory: string
  readonly queue: WindowsPathQueue
  readonly presence: Presence
  /** See `TicketEngineParts.open`. */
  close: () => void
}

/** A client of the locks of this machine. */
export interface WindowsLocks {
  open(directory: string, close: () => void): WindowsPathQueue
  query(directory: string, signal: AbortSignal | undefined): Promise<EngineSnapshot>
  /** See `Engine.breakHolders`. */
  breakHolders(
    directory: string,
    confirm: (held: readonly Requester[]) => Promise<boolean>,
  ): Promise<readonly Requester[]>
  /** What keeps the lock that this client holds. Undefined if it holds none. */
  handleOf(directory: string): LockHandle | undefined
}

const clientsOfThisThread: WindowsClient[] = []
/** Of all clients in this thread. */
const presentHere = new Set<Present>()

/** @param isOfThread whether its tickets belong to this thread in the eyes of all other clients that were made so. */
export function openWindowsLocks(options: WindowsOptions, isOfThread: boolean): WindowsLocks {
  return new WindowsClient(options, isOfThread ? clientsOfThisThread : [])
}

/** What this thread has in the queue at one of the directories that `isSame` picks. */
export function claimsOnWindows(isSame: (directory: string) => boolean): Claim[] {
  const claims: Claim[] = []
  for (const { directory, queue } of presentHere) {
    if (queue.size > 0 && isSame(directory)) for (const { claim } of queue.own.values()) claims.push(claim)
  }
  return claims
}

/** For `slocket break`. */
export function breakableOnWindows(directory: string): Breakable {
  checkWindowsPath(directory)
  return breakable(new WindowsDirectory(directory), () => new Map())
}

/**
 * Refuses a path that no lock can have, before anything is made.
 *
 * @param directory absolute.
 * @param above the nearest directory above that exists.
 * @throws TypeError; ERR_SLOCKET_NETWORK_FILE_SYSTEM.
 */
export function refuseOnWindows(directory: string, above: string): void {
  checkWindowsPath(directory)
  refuseNetwork(above)
}

/** Named locks. See `localNames`. */
export function windowsNames(root: string | undefined, access: LockAccess | undefined): Engine {
  return namesOnWindows(root, access)
}

/** A client of its own of the named locks in a root. */
export function openWindowsNames(directory: string): Engine {
  return openNamesIn(directory)
}

/** For the command. See `checkWindowsPath`. */
export function checkPathOnWindows(directory: string): void {
  checkWindowsPath(directory)
}

/** For `slocket doctor`. See `shareBehind`. */
export function shareOf(directory: string): string | undefined {
  return shareBehind(directory)
}

/** For `slocket doctor`: what others see of a ticket. */
export function tryHeldFile(file: string): { readonly whileOpen: Found; readonly afterwards: Found } {
  const descriptor = fs.openSync(file, OPEN.ticket)
  const whileOpen = probe(file)
  fs.closeSync(descriptor)
  return { whileOpen, afterwards: probe(file) }
}

class WindowsClient implements WindowsLocks {
  /** Those queues that this client is present in, by the absolute path of their directory. */
  readonly #present = new Map<string, Present>()
  readonly #options: WindowsOptions
  /** Those clients, this one too, that are one to a query. */
  readonly #siblings: WindowsClient[]

  constructor(options: WindowsOptions, siblings: WindowsClient[]) {
    this.#options = options
    this.#siblings = siblings
    siblings.push(this)
  }

  open(directory: string, close: () => void): WindowsPathQueue {
    refuseAccess(this.#options.access)
    const known = this.#present.get(directory)
    if (known !== undefined) {
      known.close = close
      return known.queue
    }
    checkWindowsPath(directory)
    const windowsDirectory = new WindowsDirectory(directory, this.#options)
    const presence: Presence = new Presence(windowsDirectory, {
      onPresent: () => this.#onPresent(present),
      onAway: () => this.#onAway(present),
    })
    const queue = new WindowsPathQueue(windowsDirectory, presence)
    const present: Present = { directory, queue, presence, close }
    presence.attach(queue)
    return queue
  }

  query(directory: string, signal: AbortSignal | undefined): Promise<EngineSnapshot> {
    refuseAccess(this.#options.access)
    checkWindowsPath(directory)
    const queue = new WindowsDirectory(directory, this.#options)
    return withRoom(() => inspect(queue, () => this.#ownIn(directory), { signal }))
  }

  async breakHolders(
    directory: string,
    confirm: (held: readonly Requester[]) => Promise<boolean>,
  ): Promise<readonly Requester[]> {
    refuseAccess(this.#options.access)
    checkWindowsPath(directory)
    const queue = breakable(new WindowsDirectory(directory, this.#options), () => this.#ownIn(directory))
    return await breakHolders(queue, confirm)
  }

  /** The tickets in a queue that are of this thread to a query, by id. */
  #ownIn(directory: string): Map<string, OwnTicket> {
    return new Map(this.#siblings.flatMap((client) => [...(client.#present.get(directory)?.queue.own ?? [])]))
  }

  handleOf(directory: string): LockHandle | undefined {
    const queue = this.#present.get(directory)?.queue
    for (const own of queue?.own.values() ?? []) if (own.isHeld) return queue!.handleOf(own)
    return undefined
  }

  #onPresent(present: Present): void {
    this.#present.set(present.directory, present)
    presentHere.add(present)
    appear(present.presence)
  }

  #onAway(present: Present): void {
    disappear(present.presence)
    // It holds on while the process exits. When it does so no longer, this is called again.
    if (present.queue.size > 0) return
    if (this.#present.get(present.directory) === present) this.#present.delete(present.directory)
    presentHere.delete(present)
    present.close()
  }
}
