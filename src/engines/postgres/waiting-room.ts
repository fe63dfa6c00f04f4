/**
 * All requests of one engine, in the order of their calls.
 *
 *  1. Those for one lock reach the server in their order: the next one is sent when the server has the one before it in its queue, or has
 *     settled it. Each by a session of its own, for within a session the server lets the same lock be taken again.
 *  2. Where all connections are in use, requests stand here, in their order. They keep the process alive, and so do those whose session is being opened: see session.ts.
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

/** How many locks a message names. */
const MOST_NAMED = 3

export class WaitingRoom {
  /** The server's processes that are ours, and the lock that each is for. */
  readonly pids: Map<number, string> = new Map()
  readonly #sessions: Sessions
  readonly #parts: AcquireParts
  readonly #watch: Watch
  #here: Request[] = []
  /** By key: the one that is on its way into the server's queue. */
  readonly #entering = new Map<bigint, Request>()
  /** Keys of those whose connection was cut within the last heartbeat. */
  readonly #cut = new Set<bigint>()
  /** Whose session is about to be had. */
  readonly #opening = new Set<Request>()
  #letGo: (() => void) | undefined
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
      this.#here = this.#here.filter((other) => other !== request)
      this.#updateKeepAlive()
      request.becomeCancelled()
    }
    let index = this.#here.length
    // Only one whose connection was cut is not the last.
    while (index > 0 && this.#here[index - 1]!.order > request.order) index -= 1
    this.#here.splice(index, 0, request)
    this.#admit()
  }

  /** Once, after all that goes on now. */
  #schedule(): void {
    if (this.#isScheduled || this.#here.length === 0) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#admit()
    })
  }

  /** Lets in whom it is the turn of. */
  #admit(): void {
    const here: Request[] = []
    // For those that were cut off: so that others don't take their connections.
    let kept = 0
    for (const request of this.#here) {
      const { key } = request.statements
      const before = this.#entering.get(key)
      if (!this.#sessions.hasRoomFor(kept + 1)) here.push(request)
      else if (request.asked.wait && this.#cut.has(key)) {
        kept += 1
        here.push(request)
      } else if (before === undefined) this.#start(request)
      else {
        before.needPlace()
        here.push(request)
      }
    }
    // One that stood behind another for the same lock, and others have all connections now: a try waits for nobody who holds.
    const refused = this.#sessions.hasRoom ? [] : here.filter(({ asked }) => !asked.wait)
    this.#here = refused.length === 0 ? here : here.filter(({ asked }) => asked.wait)
    this.#updateKeepAlive()
    for (const request of refused) this.#refuse(request)
  }

  #refuse(request: Request): void {
    const message = `the lock '${request.statements.name}' cannot be tried: ${this.#describeUse()}`
    request.becomeRejected(new SlocketError('ERR_SLOCKET_RESOURCES', message))
  }

  /** What uses all connections, for messages. Undefined if there are any left. */
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
    this.#entering.set(key, request)
    request.becomeEntering()
    request.onPlaced = () => {
      if (this.#entering.get(key) === request) this.#entering.delete(key)
      this.#schedule()
    }
    this.#opening.add(request)
    // The server knows nothing of it yet.
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
    const giveBack = (): void => {
      this.pids.delete(pid)
      stopWatching()
      this.#sessions.giveBack(session, request.asked.lingerMs)
    }
    const stopWatching = this.#watch.add(session, request)
    this.pids.set(pid, request.statements.name)
    if (request.state === 'settled') return giveBack()
    const isOver = await acquireIn(session, request, this.#parts, {
      onFree: giveBack,
      onAnswered: stopWatching,
    })
    if (isOver) return stopWatching()
    // In one go, so that nobody else takes its connection.
    giveBack()
    this.#enterAgain(request)
  }

  /**
   * The connection of `request` was cut. It waits anew, before all requests of this engine that came later and that the server doesn't have in its queue. What
   * has cut it may have cut others, which is seen of one after the other: so none for that lock enters within the next heartbeat, and then they do in their order.
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
    if (this.#here.length + this.#opening.size > 0) this.#letGo ??= keepAlive()
    else {
      this.#letGo?.()
      this.#letGo = undefined
    }
  }
}
