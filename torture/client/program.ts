/** The random program of one client: actors that take, hold and release locks until they are ordered to end. */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Engine, Lock, SlocketOptions } from '../../src/index.ts'
import { isSlocketError, local, slocket } from '../../src/index.ts'
import type { Random } from '../../src/testing/random.ts'
import type { TracedClaim } from '../trace/event.ts'
import { permitsOf } from '../trace/event.ts'
import type { TraceWriter } from '../trace/writer.ts'
import type { ClientConfig } from './config.ts'

type PlannedLock = ClientConfig['locks'][number]

const MOST_AT_ONCE = 12
/** Long enough to notice the loss of a lock whose directory was removed. */
const LONG_HOLD_MS = 6000

export class Program {
  readonly #config: ClientConfig
  readonly #random: Random
  readonly #trace: TraceWriter
  /** The default engine, and a second client in the same process. */
  readonly #engines: readonly (Engine | undefined)[] = [undefined, local()]
  readonly #over = new AbortController()
  /** The slice of all its exclusive requests, in ms. */
  readonly #slice: number
  #requests = 0
  #quietUntilMs = 0

  constructor(config: ClientConfig, random: Random, trace: TraceWriter) {
    this.#config = config
    this.#random = random
    this.#trace = trace
    this.#slice = random.chance(0.3) ? random.pick([1, 20, 200]) : 0
  }

  /** Resolves after `end()`, when the last request is over. */
  async run(): Promise<void> {
    const { actors } = this.#config.behaviour
    await Promise.all(Array.from({ length: actors }, () => this.#act()))
  }

  /** Makes no more requests. Pending requests continue to wait. */
  end(): void {
    this.#over.abort()
  }

  /** Makes no new requests for that time. Pending requests continue to wait. */
  hush(ms: number): void {
    this.#quietUntilMs = performance.now() + ms
  }

  async #act(): Promise<void> {
    const random = this.#random
    const { bursts, pauseMs } = this.#config.behaviour
    const { locks } = this.#config
    while (!this.#over.signal.aborted) {
      const index = random.below(locks.length)
      const atOnce = random.chance(bursts) ? 2 + random.below(MOST_AT_ONCE - 1) : 1
      await Promise.all(Array.from({ length: atOnce }, () => this.#request(index)))
      await this.#pass(pauseMs)
      const quietMs = this.#quietUntilMs - performance.now()
      if (quietMs > 0) await sleep(quietMs, undefined, { signal: this.#over.signal }).catch(() => {})
    }
  }

  /** One request for a lock, from its beginning to its end. */
  async #request(index: number): Promise<void> {
    const planned = this.#config.locks[index]!
    this.#requests += 1
    const request = `${planned.id}:${this.#config.name}#${this.#requests}`
    const lock = await this.#ask(request, planned)
    if (lock === null) return
    const { signal } = lock
    signal.addEventListener('abort', () => this.#trace.write({ kind: 'lost', request }))
    try {
      await this.#hold(request, planned, lock)
      if (this.#random.chance(this.#config.behaviour.downgrades)) await this.#downgrade(request, planned, lock)
      // Always in the order of the locks, so there is no deadlock.
      if (index + 1 < this.#config.locks.length && this.#random.chance(this.#config.behaviour.nested)) {
        await this.#request(index + 1)
      }
    } finally {
      await this.#release(request, lock)
    }
  }

  async #ask(request: string, planned: PlannedLock): Promise<Lock | null> {
    const random = this.#random
    const { tries, timeouts, aborts, lingers } = this.#config.behaviour
    const claim = random.pick(planned.claims)
    const engine = random.chance(0.9) ? 0 : 1
    const waits = !random.chance(tries)
    const timeout = waits && random.chance(timeouts) ? random.below(40) : undefined
    const controller = random.chance(aborts) ? new AbortController() : undefined
    const slice = claim === 'exclusive' ? this.#slice : 0
    const options: SlocketOptions = {
      ...optionsOf(claim),
      label: request,
      linger: random.pick(lingers),
      slice,
      engine: this.#engines[engine],
      timeout,
      signal: controller?.signal,
    }
    this.#trace.write({ kind: 'ask', request, claim, waits: waits && timeout !== 0, slice, engine })
    try {
      const asking = waits ? slocket(planned.path, options) : slocket.try(planned.path, options)
      if (controller !== undefined) void this.#cancel(controller)
      const lock = await asking
      if (lock === null) this.#trace.write({ kind: 'refused', request })
      else {
        this.#trace.write({ kind: 'grant', request, token: String(lock.token), recovered: lock.recovered })
        if (!lock.held) this.#trace.write({ kind: 'lost', request })
      }
      return lock
    } catch (error) {
      this.#trace.write({ kind: 'rejected', request, why: this.#reasonOf(error, timeout, controller) })
      return null
    }
  }

  async #cancel(controller: AbortController): Promise<void> {
    await this.#pass(this.#random.pick([0, 2, 30]))
    controller.abort(CANCELLED)
  }

  /** Why a request was rejected. An unexplained error is blamed on the lock. */
  #reasonOf(error: unknown, timeout: number | undefined, controller: AbortController | undefined): string {
    if (error === CANCELLED && controller?.signal.aborted === true) return 'cancelled'
    if (isSlocketError(error, 'ERR_SLOCKET_TIMEOUT') && timeout !== undefined) return 'timeout'
    if (this.#config.maySuffer && isSlocketError(error, 'ERR_SLOCKET_RESOURCES')) return 'resources'
    const what = error instanceof Error ? `${error.stack}${describeCause(error)}` : String(error)
    this.#trace.write({ kind: 'blame', what: `unexplained error: ${what}` })
    return 'unexplained'
  }

  async #hold(request: string, planned: PlannedLock, lock: Lock): Promise<void> {
    const { queries, holdMs } = this.#config.behaviour
    // Not at the end: several of them, one after the other, take longer than all requests may take then.
    if (planned.isFragile && this.#random.chance(0.01) && !this.#over.signal.aborted) {
      await sleep(LONG_HOLD_MS, undefined, { signal: lock.signal }).catch(() => {})
      return
    }
    if (this.#random.chance(queries)) await this.#look(request, planned, lock)
    await this.#pass(holdMs)
  }

  /** A holder must see itself in the query. */
  async #look(request: string, planned: PlannedLock, lock: Lock): Promise<void> {
    try {
      const { held } = await slocket.query(planned.path)
      if (planned.isFragile || held.some(({ label, self }) => label === request || (!self && label === undefined)))
        return
      if (lock.held) this.#trace.write({ kind: 'blame', what: `${request} holds, but query does not show it` })
    } catch (error) {
      if (this.#config.maySuffer && isSlocketError(error, 'ERR_SLOCKET_RESOURCES')) return
      this.#trace.write({ kind: 'blame', what: `query: ${String(error)}` })
    }
  }

  async #downgrade(request: string, planned: PlannedLock, lock: Lock): Promise<void> {
    if (lock.mode !== 'exclusive' || lock.permits !== undefined) return
    this.#trace.write({ kind: 'downgrade', request })
    try {
      await lock.downgrade()
    } catch (error) {
      // The listener of its signal records the loss.
      if (isSlocketError(error, 'ERR_SLOCKET_LOST')) return
      if (this.#config.maySuffer && isSlocketError(error, 'ERR_SLOCKET_RESOURCES')) return
      this.#trace.write({ kind: 'blame', what: `downgrade of ${request}: ${String(error)}` })
    }
    await this.#hold(request, planned, lock)
  }

  async #release(request: string, lock: Lock): Promise<void> {
    this.#trace.write({ kind: 'release', request })
    try {
      if (this.#random.chance(0.5)) await lock.release()
      else lock[Symbol.dispose]()
    } catch (error) {
      this.#trace.write({ kind: 'blame', what: `release of ${request}: ${String(error)}` })
    }
    this.#trace.write({ kind: 'released', request })
  }

  /** Waits for a random time: not at all, for one turn of the event loop, or for up to `mostMs`. */
  async #pass(mostMs: number): Promise<void> {
    const random = this.#random
    if (random.chance(0.3)) return
    if (mostMs === 0 || random.chance(0.4)) await setImmediate()
    else await sleep(random.below(mostMs + 1))
  }
}

const CANCELLED = new Error('cancelled')

function optionsOf(claim: TracedClaim): Pick<SlocketOptions, 'mode' | 'permits' | 'take'> {
  return claim === 'exclusive' || claim === 'shared' ? { mode: claim } : permitsOf(claim)!
}

function describeCause({ cause }: Error): string {
  return cause === undefined ? '' : `\ncause: ${inspect(cause)}`
}
