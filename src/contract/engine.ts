/**
 * What the API asks of an engine. One method takes a lock; the other only looks.
 *
 * Two levels on purpose: an engine that keeps a queue of tickets implements `TicketQueue` (ticket-queue.ts) and gets
 * this interface from the recipe; one with a queue of its own (a database's) implements this interface directly.
 */
import type { Claim } from '../core/claim.ts'
import type { Obstacle } from './obstacle.ts'

/** Where locks live. Made by `local()`, `memory()`; write your own, and run `slocket/testing` against it. */
export interface Engine {
  /** For messages: `local`, `memory`. */
  readonly name: string
  /** What it can promise; the conformance suite tests each as stated. */
  readonly capabilities: EngineCapabilities
  /**
   * Takes the lock.
   *
   * Resolves with the grant, or with null only where `request.wait` is false and somebody holds, or waits ahead.
   * Rejects with `request.signal.reason` when that aborts first: then nothing is held, and nobody waits for it.
   */
  acquire(resource: string, request: AcquireRequest): Promise<Grant | null>
  /**
   * Who holds and who waits, in queue order; takes no lock and disturbs nobody. `signal`, which has not aborted yet, does when the
   * answer is needed now, or no longer: then this should resolve with what is known, or reject, at once, and keep no process alive.
   */
  query(resource: string, signal?: AbortSignal): Promise<EngineSnapshot>
  /**
   * Says what uses all of `capabilities.places`, for the message of a timeout; undefined if some are free. Such as: all 20 connections of this engine are
   * in use, by the locks 'a', 'b'.
   */
  placesInUse?(): string | undefined
  /**
   * @internal The name of `resource` that means the same for as long as this process runs. Missing if each name does. A relative path
   * means another file once the working directory has changed.
   */
  resolve?(resource: string): string
  /** @internal Whether two resources, as `resolve` gives them, are names of one lock that is held. Missing if each has one name. */
  isSame?(one: string, other: string): boolean
  /** @internal Engines with one and the same space have the same locks. Missing if no other engine is known to have them. */
  readonly space?: object
  /** As `query`, of all resources that anybody holds or waits for. Where an engine can tell them: `LockManager.query` needs it. */
  queryAll?(): Promise<ReadonlyMap<string, EngineSnapshot>>
}

/** What an engine can promise. The conformance suite tests each as it is stated. */
export interface EngineCapabilities {
  /** First come, first served among all clients. */
  readonly ordered: boolean
  /** Shared claims. */
  readonly shared: boolean
  /** Permits: counting semaphores. */
  readonly permits: boolean
  /** A grant tells when a predecessor ended, or died, without releasing. */
  readonly recovered: boolean
  /** `AcquireRequest.steal`. Default: false. */
  readonly steal?: boolean | undefined
  /**
   * How many requests of one client can hold, or have their place in the queue, at a time, of all resources. More of them wait within the client for one
   * of these places, in their order; `query` does not show them. Default: without limit.
   */
  readonly places?: number | undefined
}

/** What the API asks an engine for. */
export interface AcquireRequest {
  /** How many may hold with it. */
  readonly claim: Claim
  /** False: never wait for a holder. */
  readonly wait: boolean
  /**
   * Take the lock from all who hold it (each is told by `Grant.onLost`, and its release does nothing any more), and come before all who
   * wait, who stay in their order. Only for an exclusive claim that waits, and where `capabilities.steal` says so.
   */
  readonly steal?: boolean | undefined
  /** A short text that others see. */
  readonly label?: string | undefined
  /** How long the engine keeps what it needs for the next acquire of this resource, in ms. */
  readonly lingerMs: number
  /** Calls the wait off. */
  readonly signal?: AbortSignal | undefined
  /** Called once it has its place in the queue: whoever asks for the resource after that comes behind it, and `query` shows it. */
  readonly onQueued?: (() => void) | undefined
  /** @internal Called once if it has waited for 5 seconds, and its own client has held the resource all the time. */
  readonly onSelfWait?: ((holder: Pick<Requester, 'label' | 'sinceMs'>) => void) | undefined
}

/** What a holder has of an engine. */
export interface Grant {
  /** Larger than that of every earlier holder that it could not have held together with. */
  readonly token: bigint
  /** Whether a predecessor ended without releasing. May be true without need, never false wrongly. */
  readonly recovered: boolean
  /** Whether it had to wait for its turn, where the engine can tell. */
  readonly hasWaited?: boolean | undefined
  /** Gives the lock back. Called once. Where it returns no promise, the lock is free on return. */
  release(): void | Promise<void>
  /** `listener` is called once if the lock is ever lost while held; at once if it was lost before. */
  onLost(listener: (error: Error) => void): void
  /**
   * Whether it is still held, by all that this process can know without waiting: a lease that has run out counts, though no timer
   * has told of it yet, and so does a ticket that is gone. Called often; it may cost one system call. Where it gives false, the listener
   * of `onLost` has been called when this returns. Missing where there is nothing to find out that way.
   */
  isHeld?(): boolean
  /**
   * `listener` is called once when somebody waits for the resource, a second later at most; at once where somebody does already.
   * Missing where the engine cannot tell.
   */
  onWanted?(listener: () => void): void
}

/** Who holds a resource and who waits for it, each in queue order. */
export interface EngineSnapshot {
  /** Those who hold. */
  readonly held: readonly Requester[]
  /** Those who wait. */
  readonly pending: readonly Requester[]
  /** What else is at the resource's place, and keeps requests from being granted. Missing if nothing is. */
  readonly obstacle?: Obstacle | undefined
}

/** One who asked for a lock. */
export interface Requester {
  /** What it asked for. */
  readonly claim: Claim
  /** For people to read; it proves nothing. Undefined if the engine cannot see it. */
  readonly pid: number | undefined
  /** Since when it holds, or waits: wall clock, in ms since the epoch. Undefined if the engine cannot see it. */
  readonly sinceMs: number | undefined
  /**
   * The same in ns, by a clock that all clients share, where the engine has one: it orders what happened under different resources.
   * Of a holder that needed no waiting, it is the moment when it asked. Where a requester lacks it, the order is by `sinceMs`.
   */
  readonly sinceNs?: bigint | undefined
  /** What it said of itself. */
  readonly label: string | undefined
  /** The command line, where it could be asked. */
  readonly command: string | undefined
  /** Whether it belongs to this process (or thread). */
  readonly self: boolean
  /** Which client it is, where the engine can tell: never that of another one, and never used again. */
  readonly client?: string | undefined
}
