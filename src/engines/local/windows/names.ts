/**
 * Named locks on Windows: each is a queue in a directory of its own, below a root.
 *
 *     ROOT\slocket-root          slocket has made the root, and removes it when it is empty
 *     ROOT\n-HASH\               the directory of a name, by a hash: Windows makes no difference between `a` and `A`
 *     ROOT\n-HASH\name           the name itself, for `queryAll`
 *
 * A lock can be stolen. The holder keeps its guard open, so the thief has the lock as soon as the former holder has seen the thief's ticket and has
 * closed its guard: at once if its event loop runs.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Engine, EngineSnapshot } from '../../../requests/engine.ts'
import { withRoom } from '../../../requests/idle.ts'
import type { LockAccess } from '../../../requests/lock-access.ts'
import { createTicketEngine } from '../../../requests/ticket-engine.ts'
import { printable, SlocketError, systemCode } from '../../../errors.ts'
import { appear, disappear } from '../members/exit.ts'
import { builtInCrypto } from '../platform/built-in.ts'
import { isGone, toSlocketError } from '../platform/system-error.ts'
import { CLIENT_LENGTH, randomLetters } from './bell.ts'
import type { NamedDirectory } from './directory.ts'
import { NAME_FILE, WindowsDirectory } from './directory.ts'
import type { Inspection } from './inspect.ts'
import { inspect } from './inspect.ts'
import { checkWindowsPath } from './paths.ts'
import { Presence } from './presence.ts'
import { WindowsQueue } from './queue.ts'
import type { ListedTicket, OwnTicket } from './ticket.ts'
import { refuseAccess } from './unsupported.ts'

const MARKER = 'slocket-root'
const ENTRY = /^n-[0-9a-f]{40}$/

/** How long to wait for answers. A snapshot is for debugging, so it is worth waiting for slow processes. */
const INSPECTION: Inspection = { clientOf, answerMs: 1000 }

const engines = new Map<string, Engine>()

/** The engine of a root, one for each directory in this thread. Without a root: one in this user's directory for temporary files. */
export function namesOnWindows(root: string | undefined, access: LockAccess | undefined): Engine {
  refuseAccess(access)
  const directory = path.resolve(root ?? path.join(os.tmpdir(), 'slocket'))
  let known = engines.get(directory)
  if (known === undefined) {
    known = openNamesIn(directory)
    engines.set(directory, known)
  }
  return known
}

/** A client of its own. */
export function openNamesIn(directory: string): Engine {
  checkWindowsPath(directory)
  const names = new Names(new Root(directory))
  return createTicketEngine({
    name: 'local',
    capabilities: { ordered: true, shared: true, permits: true, take: true, recovered: false, steal: true },
    resolve: (name) => name,
    open: (name, close) => names.open(name, close),
    query: (name) => names.query(name),
    queryAll: () => names.queryAll(),
  })
}

class Names {
  readonly #root: Root
  readonly #client = randomLetters(CLIENT_LENGTH)
  readonly #queues = new Map<string, { readonly queue: WindowsQueue; close: () => void }>()

  constructor(root: Root) {
    this.#root = root
  }

  open(name: string, close: () => void): WindowsQueue {
    const known = this.#queues.get(name)
    if (known !== undefined) {
      known.close = close
      return known.queue
    }
    const directory = this.#root.directoryOf(name)
    const presence: Presence = new Presence(directory, {
      client: this.#client,
      onPresent: () => {
        this.#queues.set(name, present)
        appear(presence)
      },
      onAway: () => {
        disappear(presence)
        if (queue.size > 0) return
        if (this.#queues.get(name) === present) this.#queues.delete(name)
        present.close()
      },
    })
    const queue = new WindowsQueue(directory, presence, name)
    const present = { queue, close }
    presence.attach(queue)
    return queue
  }

  query(name: string): Promise<EngineSnapshot> {
    const own = (): ReadonlyMap<string, OwnTicket> => this.#queues.get(name)?.queue.own ?? new Map()
    return withRoom(() => inspect(this.#root.directoryOf(name), own, INSPECTION))
  }

  async queryAll(): Promise<ReadonlyMap<string, EngineSnapshot>> {
    const snapshots = new Map<string, EngineSnapshot>()
    await Promise.all(
      this.#root.names().map(async (name) => {
        const snapshot = await this.query(name)
        if (snapshot.held.length + snapshot.pending.length > 0) snapshots.set(name, snapshot)
      }),
    )
    return snapshots
  }
}

function clientOf({ member }: ListedTicket): string {
  return member.slice(0, CLIENT_LENGTH)
}

class Root {
  readonly #path: string

  constructor(directory: string) {
    this.#path = directory
  }

  directoryOf(name: string): WindowsDirectory {
    // Not in UTF-8: a name may have half a surrogate pair.
    const text = Buffer.from(name, 'utf16le')
    const hash = builtInCrypto().createHash('sha256').update(text).digest('hex').slice(0, 40)
    const named: NamedDirectory = { text, prepare: () => this.#make(), onRemoved: () => this.#removeIfEmpty() }
    return new WindowsDirectory(path.join(this.#path, `n-${hash}`), { named })
  }

  /** The names that can be read. */
  names(): string[] {
    return this.#entries().flatMap((entry) => {
      if (!ENTRY.test(entry)) return []
      try {
        return [fs.readFileSync(path.join(this.#path, entry, NAME_FILE)).toString('utf16le')]
      } catch (error) {
        // Its last user has just left.
        if (systemCode(error) === undefined) throw error
        return []
      }
    })
  }

  #entries(): string[] {
    try {
      return fs.readdirSync(this.#path)
    } catch (error) {
      if (isGone(error) && fs.existsSync(path.dirname(this.#path))) return []
      throw toSlocketError(error, 'list the named locks in', this.#path)
    }
  }

  #make(): void {
    try {
      fs.mkdirSync(this.#path)
      this.#mark()
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw toSlocketError(error, 'make', this.#path)
    }
    const other = this.#entries().find((entry) => entry !== MARKER && !ENTRY.test(entry))
    if (other === undefined) return
    throw new SlocketError(
      'ERR_SLOCKET_NOT_A_LOCK',
      `'${this.#path}' is a directory with other content ('${printable(other)}'), not one of named locks; nothing in it was touched`,
    )
  }

  #mark(): void {
    try {
      fs.closeSync(fs.openSync(path.join(this.#path, MARKER), 'wx'))
    } catch (error) {
      if (systemCode(error) === undefined) throw error
    }
  }

  /** The directory of a name was removed. */
  #removeIfEmpty(): void {
    const entries = this.#entries()
    if (entries.length !== 1 || entries[0] !== MARKER) return
    try {
      fs.unlinkSync(path.join(this.#path, MARKER))
      fs.rmdirSync(this.#path)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      // RACE: another process has come meanwhile. The last process to leave removes the root.
      if (systemCode(error) === 'ENOTEMPTY') this.#mark()
    }
  }
}
