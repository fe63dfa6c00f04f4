/**
 * All requests of this client (process or worker thread) over one engine, in the order in which they are made.
 *
 *  1. The requests for one name reach the engine's queue in the order of the calls. A request that never waits, or that steals, is
 *     judged after all requests before it have their places there.
 *  2. `query` is answered after all requests before it have their places, and after the callbacks of the requests that it shows as held here.
 *  3. A lock is released before its request's promise settles.
 *  4. Either the callback is called, or the request has rejected. If it has rejected because it was cancelled, the grant is released, and
 *     a request that never waits is judged after that.
 *  5. The callbacks of requests that need no waiting, whatever their names, are called in the order of the requests: order-of-calls.ts.
 */
import type { Engine, EngineSnapshot, Grant, Requester } from '../requests/engine.ts'
import { nextTurn } from '../real-time.ts'
import { onAbort } from '../requests/on-abort.ts'
import { EXCLUSIVE, SHARED } from '../core/claim.ts'
import { debug } from '../debug.ts'
import type { AskedLock } from './arguments.ts'
import { notSupported, refuseUnsupported } from './arguments.ts'
import { OrderOfCalls } from './order-of-calls.ts'
import { toWebError } from './web-error.ts'
import { createWebLock } from './web-lock.ts'
import type { LockInfo, LockManagerSnapshot } from './types.ts'

/** How long an engine keeps what it needs for the next request, in ms. */
const LINGER_MS = 1000

/** The requests of this client for one name that have no place in the queue yet. */
interface Entering {
  readonly places: Set<Promise<void>>
  /** Requests that are made now wait for this: a request before them must be judged before they enter. */
  gate: Promise<void> | undefined
}

const clients = new WeakMap<Engine, Client>()

/** Managers of the same engine share a client. */
function clientOver(engine: Engine): Client {
  let client = clients.get(engine)
  if (client === undefined) {
    client = new Client(engine)
    clients.set(engine, client)
  }
  return client
}

/** Returns the client of the engine that `open` returns. @throws DOMException (SecurityError) if `open` says that locks cannot live there. */
export function clientIn(open: () => Engine): Client {
  try {
    return clientOver(open())
  } catch (error) {
    throw toWebError(error)
  }
}

export class Client {
  readonly #engine: Engine
  readonly #entering = new Map<string, Entering>()
  readonly #order = new OrderOfCalls()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** @param sliceMs see `AcquireRequest`. */
  request(asked: AskedLock, sliceMs: number): Promise<unknown> {
    const { signal } = asked
    refuseUnsupported(asked)
    if (asked.steal && this.#engine.capabilities.steal !== true)
      throw notSupported('locks of this engine cannot be stolen')
    signal?.throwIfAborted()
    return new Promise((resolve, reject) => {
      let isCancelled = false
      let leavePlace: (() => void) | undefined
      const cancel = (): void => {
        isCancelled = true
        leavePlace = this.#takePlace(asked.name).leave
        reject(signal!.reason)
      }
      const stopListening = signal && onAbort(signal, cancel)
      const number = this.#order.next()
      const granted = this.#enter(asked, sliceMs).then(async (grant) => {
        await this.#order.come(number, grant)
        stopListening?.()
        // RACE: it was cancelled between the grant and this line: nobody is notified of the grant, so it is released.
        return isCancelled ? releaseGrant(grant) : hold(asked, grant, resolve, reject)
      })
      granted
        .catch((error: unknown) => {
          stopListening?.()
          reject(toWebError(error))
        })
        .finally(() => leavePlace?.())
    })
  }

  async query(): Promise<LockManagerSnapshot> {
    const engine = this.#engine
    if (engine.queryAll === undefined) throw notSupported('this engine cannot tell the names of all its locks')
    const places = [...this.#entering.values()].flatMap((entering) => [...entering.places])
    if (places.length > 0) await Promise.all(places)
    try {
      const snapshots = await engine.queryAll()
      // A grant that is shown has its callback called within a turn of the event loop: order-of-calls.ts.
      await nextTurn()
      await nextTurn()
      return toSnapshot(snapshots)
    } catch (error) {
      throw toWebError(error)
    }
  }

  /** Passes the request to the engine when the requests before it have their places, as far as its kind requires that. */
  #enter(asked: AskedLock, sliceMs: number): Promise<Grant | null> {
    const entering = this.#enteringFor(asked.name)
    const isJudged = asked.ifAvailable || asked.steal
    // The engine keeps the order of requests that wait.
    const before = isJudged && entering.places.size > 0 ? Promise.all(entering.places) : entering.gate
    const { place, leave: onQueued } = this.#takePlace(asked.name)
    if (isJudged) entering.gate = place
    const acquire = (): Promise<Grant | null> => this.#acquire(asked, sliceMs, onQueued)
    const acquired = before === undefined ? acquire() : before.then(acquire)
    // Also called if the engine never calls `onQueued`.
    acquired.then(onQueued, onQueued)
    return acquired
  }

  #enteringFor(name: string): Entering {
    let entering = this.#entering.get(name)
    if (entering === undefined) {
      entering = { places: new Set(), gate: undefined }
      this.#entering.set(name, entering)
    }
    return entering
  }

  /** Requests that are judged from now on wait for `place`, which `leave` resolves. */
  #takePlace(name: string): { readonly place: Promise<void>; readonly leave: () => void } {
    const entering = this.#enteringFor(name)
    let becomePlaced!: () => void
    const place = new Promise<void>((resolve) => (becomePlaced = resolve))
    entering.places.add(place)
    const leave = (): void => {
      entering.places.delete(place)
      if (entering.gate === place) entering.gate = undefined
      if (entering.places.size === 0 && this.#entering.get(name) === entering) this.#entering.delete(name)
      becomePlaced()
    }
    return { place, leave }
  }

  async #acquire(asked: AskedLock, sliceMs: number, onQueued: () => void): Promise<Grant | null> {
    const { name, mode, ifAvailable, steal, signal } = asked
    return await this.#engine.acquire(name, {
      claim: mode === 'shared' ? SHARED : EXCLUSIVE,
      wait: !ifAvailable,
      ...(steal ? { steal } : {}),
      lingerMs: LINGER_MS,
      sliceMs,
      signal,
      // A request that never waits has no place in the queue.
      onQueued: ifAvailable ? undefined : onQueued,
    })
  }
}

/** Runs the callback under the grant, or with null, releases, and settles the request. */
async function hold(
  asked: AskedLock,
  grant: Grant | null,
  resolve: (value: unknown) => void,
  reject: (error: unknown) => void,
): Promise<void> {
  // If the lock was stolen before the callback has run, the request rejects at once, but the callback is called all the same.
  grant?.onLost((error) => reject(new DOMException(`the lock was taken away: ${error.message}`, 'AbortError')))
  // `await` isn't used: what the callback throws may be a thenable, whose then() must not be called here.
  const waiting = call(asked, grant)
  try {
    await waiting
  } catch {
    // The outcome is in `waiting`.
  }
  if (grant !== null) {
    try {
      await grant.release()
    } catch (error) {
      debug("the lock '%s' could not be released: %s", asked.name, error)
      reject(error)
    }
  }
  resolve(waiting)
}

async function call({ name, mode, callback }: AskedLock, grant: Grant | null): Promise<unknown> {
  // Called as a plain function, so that its `this` is undefined.
  return await callback(grant === null ? null : createWebLock(name, mode))
}

async function releaseGrant(grant: Grant | null): Promise<void> {
  try {
    await grant?.release()
  } catch (error) {
    debug('a lock that was cancelled could not be released: %s', error)
  }
}

/** Holders are in the order of the grants, waiters in the order of the requests, as far as the engine's clock can tell. */
function toSnapshot(snapshots: ReadonlyMap<string, EngineSnapshot>): LockManagerSnapshot {
  const all = [...snapshots].map(([name, { held, pending }]) => ({ name, held, pending }))
  return {
    held: merge(all.map(({ name, held }) => [name, held])),
    pending: merge(all.map(({ name, pending }) => [name, pending])),
  }
}

/** Merges by time, but requests for the same name stay in the order of the queue, in which they are granted. */
function merge(queues: readonly (readonly [name: string, requesters: readonly Requester[]])[]): LockInfo[] {
  const hasNs = queues.every(([, requesters]) => requesters.every(({ sinceNs }) => sinceNs !== undefined))
  const infos: { readonly since: number | bigint; readonly info: LockInfo }[] = []
  for (const [name, requesters] of queues) {
    let since: number | bigint = 0
    for (const requester of requesters) {
      const own = hasNs ? requester.sinceNs! : (requester.sinceMs ?? 0)
      if (own > since) since = own
      infos.push({ since, info: toLockInfo(name, requester) })
    }
  }
  infos.sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0))
  return infos.map(({ info }) => info)
}

function toLockInfo(name: string, { claim, client, pid }: Requester): LockInfo {
  return { clientId: client ?? String(pid ?? 'unknown'), mode: claim.kind === 'shared' ? 'shared' : 'exclusive', name }
}
