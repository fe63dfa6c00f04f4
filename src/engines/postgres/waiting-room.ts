/**
 * Keeps all requests of one engine in the order of their calls.
 *
 *  1. Requests for one lock reach the server in their order: a request is sent when the server has the previous one in its queue, or has
 *     settled it. Each request has its own session, because a session can acquire its own lock again.
 *  2. If all connections are in use, requests wait here, in their order. They keep the process alive, and so do requests whose session is being opened: see session.ts.
 */
import type { AcquireParts } from './acquire.ts'
import { acquireIn } from './acquire.ts'
import { keepAlive } from '../keep-alive.ts'
import type { Request } from './request.ts'
import { SlocketError } from '../../errors.ts'
import type { OpenSession, Session } from './session.ts'
import { Sessions } from './sessions.ts'
import { Watch } from './watch.ts'
import { setTimeout, queueMicrotask } from '../../real-time.ts'

export interface WaitingRoomParts extends AcquireParts {
  readonly open: OpenSession
}

/** How many locks an error message names. */
const MOST_NAMED = 3

export class WaitingRoom {
  /** The server's processes that belong to this engine, with the lock of each. */
  readonly pids: Map<number, string> = new Map()
  readonly #sessions: Sessions
  readonly #parts: AcquireParts
  readonly #watch: Watch
  #here: Request[] = []
  /** Those of them that don't wait for a holder. */
  readonly #tries = new Set<Request>()
  /** By key: the request that has been sent, but isn't in the server's queue yet. */
  readonly #entering = new Map<bigint, Request>()
  /** The keys of requests whose connection was cut within the last heartbeat. */
  readonly #cut = new Set<bigint>()
  /** Requests whose session is being opened. */
  readonly #opening = new Set<Request>()
  #stopKeepAlive: (() => void) | undefined
  #isScheduled = false
  #entered = 0

  constructor(parts: WaitingRoomParts) {
    const { control, settings, now } = parts
    this.#parts = parts
    this.#sessions = new Sessions({ ...parts, onFree: () => this.#schedule() })
    this.#watch = new Watch(control, settings, now)
  }

  enter(request: Request): void {
    if (!request.asked.wait && !this.#sessions.hasRoom) return this.#refuse(request)
    this.#entered += 1
    request.order = this.#entered
    this.#stand(request)
  }

  #stand(request: Request): void {
    request.onCancelled = () => {
      this.#tries.delete(request)
      const index = this.#here.indexOf(request)
      if (index !== -1) this.#here.splice(index, 1)
      this.#updateKeepAlive()
      request.becomeCancelled()
    }
    if (!request.asked.wait) this.#tries.add(request)
    let index = this.#here.length
    // A request goes to the end, unless its connection was cut.
    while (index > 0 && this.#here[index - 1]!.order > request.order) index -= 1
    this.#here.splice(index, 0, request)
    // Nothing has changed for the requests before it, of which there may be thousands.
    if (!this.#isScheduled) this.#admit(this.#cut.size > 0 ? 0 : index)
  }

  /** Calls {@link #admit} once, in a microtask. */
  #schedule(): void {
    if (this.#isScheduled || this.#here.length === 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#admit()
    })
  }

  /** Starts every request whose turn it is. @param first the index of the first request that it may be the turn of. */
  #admit(first: number = 0): void {
    const left: Request[] = []
    // How many connections are reserved for requests whose connection was cut.
    let kept = 0
    let index = first
    for (; index < this.#here.length && this.#sessions.hasRoomFor(kept + 1); index += 1) {
      const request = this.#here[index]!
      const { key } = request.statements
      const before = this.#entering.get(key)
      if (request.asked.wait && this.#cut.has(key)) {
        kept += 1
        left.push(request)
      } else if (before === undefined) this.#start(request)
      else {
        before.needPlace()
        left.push(request)
      }
    }
    if (left.length < index - first) this.#here = [...this.#here.slice(0, first), ...left, ...this.#here.slice(index)]
    // A try may have waited here for an earlier request for the same lock. If all connections are in use now, it is refused: it never waits for a holder.
    const refused = this.#sessions.hasRoom ? [] : [...this.#tries]
    if (refused.length > 0) {
      this.#tries.clear()
      this.#here = this.#here.filter(({ asked }) => asked.wait)
    }
    this.#updateKeepAlive()
    for (const request of refused) this.#refuse(request)
  }

  #refuse(request: Request): void {
    const message = `the lock '${request.statements.name}' cannot be tried: ${this.#describeUse()}`
    request.becomeRejected(new SlocketError('ERR_SLOCKET_RESOURCES', message))
  }

  /** Says what uses all connections, for error messages. Undefined if there are connections left. */
  placesInUse(): string | undefined {
    return this.#sessions.hasRoom ? undefined : this.#describeUse()
  }

  #describeUse(): string {
    const locks = [...new Set(this.pids.values())].map((name) => `'${name}'`)
    const more = locks.length > MOST_NAMED ? [`${locks.length - MOST_NAMED} more`] : []
    const by = [...locks.slice(0, MOST_NAMED), ...more].join(', ')
    const all = this.#sessions.areLimitedByServer
      ? `all ${this.pids.size} connections that the server has for this engine`
      : `all ${this.#parts.settings.maxConnections} connections of this engine (maxConnections)`
    return `${all} are in use${by === '' ? '' : `, by the locks ${by}`}`
  }

  #start(request: Request): void {
    const { key } = request.statements
    this.#tries.delete(request)
    this.#entering.set(key, request)
    request.becomeEntering()
    request.onPlaced = () => {
      if (this.#entering.get(key) === request) this.#entering.delete(key)
      this.#schedule()
    }
    this.#opening.add(request)
    // The server doesn't have the request yet.
    request.onCancelled = () => {
      this.#becomeOpened(request)
      request.becomeCancelled()
    }
    void this.#serve(request)
  }

  async #serve(request: Request): Promise<void> {
    let session: Session
    try {
      session = await this.#sessions.take(request.asked.wait, request.asked.signal)
    } catch (error) {
      this.#becomeOpened(request)
      return request.becomeRejected(error)
    }
    this.#becomeOpened(request)
    const { pid } = session
    const releaseSession = (): void => {
      this.pids.delete(pid)
      stopWatching()
      this.#sessions.release(session, request.asked.lingerMs)
    }
    const stopWatching = this.#watch.add(session, request)
    this.pids.set(pid, request.statements.name)
    if (request.state === 'settled') return releaseSession()
    const isOver = await acquireIn(session, request, this.#parts, {
      onFree: releaseSession,
      onAnswered: stopWatching,
    })
    if (isOver) return stopWatching()
    // Without an await in between, so that no other request takes its connection.
    releaseSession()
    this.#enterAgain(request)
  }

  /**
   * Called when the connection of `request` was cut. The request waits again, before all later requests of this engine that the server doesn't have in its queue. The same
   * event may have cut other connections, which this process notices one by one. So no request for that lock enters within the next heartbeat; then they enter in their order.
   */
  #enterAgain(request: Request): void {
    const { key } = request.statements
    if (!this.#cut.has(key)) {
      this.#cut.add(key)
      const goOn = (): void => {
        this.#cut.delete(key)
        this.#schedule()
      }
      setTimeout(goOn, this.#parts.settings.heartbeatMs).unref()
    }
    request.onPlaced?.()
    if (request.isCancelled) return request.becomeCancelled()
    request.becomeHere()
    this.#stand(request)
  }

  #becomeOpened(request: Request): void {
    this.#opening.delete(request)
    this.#updateKeepAlive()
  }

  #updateKeepAlive(): void {
    if (this.#here.length + this.#opening.size > 0) this.#stopKeepAlive ??= keepAlive()
    else {
      this.#stopKeepAlive?.()
      this.#stopKeepAlive = undefined
    }
  }
}
