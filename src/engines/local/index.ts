/**
 * The local engine: locks among all processes and threads of one machine, as a queue of listening Unix sockets in a
 * directory. Start reading at queue.ts; docs/algorithm.md tells why it works.
 */
import path from 'node:path'
import type { Engine, EngineSnapshot } from '../../contract/engine.ts'
import { createTicketEngine } from '../../recipe/ticket-engine.ts'
import { QueueDirectory } from './directory.ts'
import { inspect } from './inspect.ts'
import { Presence } from './presence.ts'
import { appear, disappear, refuseOtherPlatforms } from './present.ts'
import { LocalQueue } from './queue.ts'
import { QueueState } from './queue-state.ts'
import { toSlocketError } from './system-error.ts'
import { TicketSocket } from './ticket-socket.ts'

/**
 * Makes an engine whose locks are directories on this machine. The default engine is one of these; another one in the
 * same process is another client, as if it were another process.
 *
 * Resources are paths; a relative one counts from the working directory at the time of the call.
 */
export function local(): Engine {
  return openLocal().engine
}

/** @internal A local engine, and what the command needs to know of it. */
export interface OpenLocal {
  readonly engine: Engine
  /** The socket of the ticket by which this client holds the lock at `path`; undefined where it holds none. */
  socketOf(path: string): TicketSocket | undefined
}

/** @internal */
export function openLocal(): OpenLocal {
  const client = new LocalClient()
  const engine = createTicketEngine({
    name: 'local',
    capabilities: { ordered: true, shared: true, permits: true, recovered: true },
    resolve: resolvePath,
    open: (directory) => client.open(directory),
    query: (directory) => client.query(directory),
  })
  return { engine, socketOf: (resource) => client.socketOf(resolvePath(resource)) }
}

interface Present {
  readonly queue: LocalQueue
  readonly presence: Presence
}

class LocalClient {
  /** Those queues that this client is present in, by the absolute path of their directory. */
  readonly #present = new Map<string, Present>()

  open(directory: string): LocalQueue {
    refuseOtherPlatforms()
    const known = this.#present.get(directory)
    if (known !== undefined) return known.queue
    const queueDirectory = new QueueDirectory(directory)
    const presence = new Presence(queueDirectory, {
      onPresent: () => this.#onPresent(directory, { queue, presence }),
      onAway: () => this.#onAway(directory, presence),
    })
    const queue = new LocalQueue(new QueueState(queueDirectory, presence))
    presence.attach(queue)
    return queue
  }

  query(directory: string): Promise<EngineSnapshot> {
    refuseOtherPlatforms()
    return inspect(new QueueDirectory(directory), this.#present.get(directory)?.queue.own ?? new Map())
  }

  socketOf(directory: string): TicketSocket | undefined {
    const present = this.#present.get(directory)
    for (const own of present?.queue.own.values() ?? []) {
      if (own.isHeld && !own.isOver) return new TicketSocket(own, () => present!.presence.addressOf(own.name))
    }
    return undefined
  }

  #onPresent(directory: string, present: Present): void {
    this.#present.set(directory, present)
    appear(present.presence)
  }

  #onAway(directory: string, presence: Presence): void {
    if (this.#present.get(directory)?.presence === presence) this.#present.delete(directory)
    disappear(presence)
  }
}

function resolvePath(resource: string): string {
  try {
    return path.resolve(resource)
  } catch (error) {
    // A relative path, and the working directory was removed.
    throw toSlocketError(error, 'find', resource)
  }
}
