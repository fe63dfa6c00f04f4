/**
 * The interface between the API and an engine. One method acquires a lock; the other only looks.
 *
 * There are two levels on purpose. An engine that keeps a queue of tickets implements `TicketQueue` (ticket-queue.ts) and gets
 * this interface from ticket-engine.ts. An engine with a queue of its own (that of a database) implements this interface directly.
 */
import type { Claim } from '../core/claim.ts'
import type { Obstacle } from './obstacle.ts'

/** Where locks live. Made by `local()`, `memory()`, `etcd()`, `postgres()` or `redis()`. To write your own, implement this, and test it with `slocket/testing`. */
export interface Engine {
  /** The name of the engine, for messages: `local`, `memory`. */
  readonly name: string
  /** What the engine supports. The conformance suite tests each capability. */
  readonly capabilities: EngineCapabilities
  /**
   * Acquires the lock. Resolves with the grant; with `null` only if `request.wait` is false and the lock is held or others are already waiting.
   *
   * If `request.signal` aborts first, it rejects with `signal.reason`, and the request then holds nothing and no longer waits.
   */
  acquire(resource: string, request: AcquireRequest): Promise<Grant | null>
  /**
   * Lists the holders and the waiters, in queue order. It acquires nothing and does not affect them.
   *
   * `signal` has not aborted yet. If it aborts, the answer is needed now, or no longer needed: this should then resolve with what is known, or reject, at
   * once, and stop keeping the process alive.
   */
  query(resource: string, signal?: AbortSignal): Promise<EngineSnapshot>
  /**
   * Describes what uses all of `capabilities.places`, for the message of a timeout. Example: all 20 connections of this engine are in use, by the locks
   * 'a', 'b'. Returns `undefined` if a place is free.
   */
  placesInUse?(): string | undefined
  /**
   * @internal Returns a name of `resource` that means the same for as long as this process runs: a relative path means another file once the working
   * directory has changed. Missing if every name always means the same.
   */
  resolve?(resource: string): string
  /** @internal Creates the directories above the lock. Missing if its locks have no directory. @throws what a system error means. */
  makeParents?(resource: string): void
  /** @internal Whether two resources, as `resolve` returns them, name the same lock, which is held. Missing if each lock has only one name. */
  isSame?(one: string, other: string): boolean
  /**
   * @internal Takes the lock from its holders if `confirm` agrees, but not from a request that became a holder after `confirm` was called. Resolves with the holders that
   * have lost it. Missing if the engine can only steal, or can do neither.
   */
  breakHolders?(
    resource: string,
    confirm: (held: readonly Requester[]) => Promise<boolean>,
  ): Promise<readonly Requester[]>
  /**
   * @internal Returns the key by which all callers order this resource among others that they acquire together, whatever name they use for it. Two names
   * for which `isSame` is true follow each other. Missing if each lock has only one name, which then is the key.
   */
  orderKey?(resource: string): string
  /** @internal Engines with the same space have the same locks. Missing if no other engine is known to have them. */
  readonly space?: object
  /** Lists the holders and the waiters of every lock that is in use. Missing if the engine can't. `LockManager.query` needs it. */
  queryAll?(): Promise<ReadonlyMap<string, EngineSnapshot>>
}

/** What an engine supports. The conformance suite tests each capability. */
export interface EngineCapabilities {
  /** Whether locks are granted first come, first served among all clients. */
  readonly ordered: boolean
  /** Whether it supports shared claims. */
  readonly shared: boolean
  /** Whether it supports permits: semaphores. */
  readonly permits: boolean
  /**
   * Whether a request can take several permits, and requests with different numbers of permits can stand in one queue. If it's false, the API refuses a
   * request that takes more than one. Default: `false`.
   */
  readonly take?: boolean | undefined
  /** Whether a grant reports that an earlier holder crashed, or ended without releasing. */
  readonly recovered: boolean
  /** Whether it supports `AcquireRequest.steal`. Default: `false`. */
  readonly steal?: boolean | undefined
  /** Whether it supports `Grant.downgrade`. Default: `false`. */
  readonly downgrade?: boolean | undefined
  /**
   * The number of requests of one client that can hold locks, or have a place in a queue, at the same time, for all resources together. Further requests
   * wait within the client for one of these places, in their order; `query` does not show them. Default: no limit.
   */
  readonly places?: number | undefined
}

/** A request for a lock, as the API passes it to an engine. */
export interface AcquireRequest {
  /** How many may hold the lock at the same time. */
  readonly claim: Claim
  /** Whether to wait for holders. If false, the engine answers `null` instead of waiting. */
  readonly wait: boolean
  /**
   * Takes the lock from all its holders, ahead of all waiters, who keep their order. Each former holder is notified by `Grant.onLost`, and its release does
   * nothing. Only for an exclusive claim that waits, and only if `capabilities.steal` is true. Default: `false`.
   */
  readonly steal?: boolean | undefined
  /** A description of the request for people. */
  readonly label?: string | undefined
  /** How long the engine keeps what it needs for the next acquire of this resource, in milliseconds. */
  readonly lingerMs: number
  /**
   * How long the client may go on serving its own requests, in milliseconds, after it last saw nobody behind its ticket: `SlocketOptions.slice`. Only for
   * exclusive claims. An engine may ignore it. Default: `0`, strict order.
   */
  readonly sliceMs?: number | undefined
  /** Cancels the wait. */
  readonly signal?: AbortSignal | undefined
  /**
   * Called once the request has its place in the queue: every later request for the resource comes behind it, and `query` shows it. It may be called
   * before `acquire` returns.
   */
  readonly onQueued?: (() => void) | undefined
  /** @internal Lets its own client find the request in a listing, as {@link Requester.identity}: two requests may have the same label. */
  readonly identity?: object | undefined
  /** @internal Called once if the request has waited for 5 seconds and its own client has held the resource all the time. */
  readonly onSelfWait?: ((holder: Pick<Requester, 'label' | 'sinceMs'>) => void) | undefined
}

/** A lock that an engine has granted. */
export interface Grant {
  /** The fencing token: larger than that of every earlier holder that could not hold together with this one. */
  readonly token: bigint
  /** Whether an earlier holder ended without releasing. It may be true without reason, but is never wrongly false. */
  readonly recovered: boolean
  /** Whether the request had to wait for its turn. Missing if the engine can't tell. */
  readonly hasWaited?: boolean | undefined
  /** @internal Whether it is a nested grant, under a lock that the caller's caller holds. Default: `false`. */
  readonly isNested?: boolean
  /** Releases the lock. Called once. If it returns no promise, the lock is free on return, or, with `sliceMs`, at the end of this turn of the event loop. */
  release(): void | Promise<void>
  /**
   * Turns an exclusive grant into a shared one, without the lock being free in between. Shared requests that wait are granted, up to the first exclusive one.
   * Called only while the grant is held, and again if it has failed; a call after the first success does nothing. From the first call on, the caller
   * relies on shared access only. If the lock turns out to be lost, the listener of `onLost` is called before this returns, or its promise settles. Missing
   * if the engine can't: `capabilities.downgrade`.
   */
  readonly downgrade?: (() => void | Promise<void>) | undefined
  /** Calls `listener` once if the lock is lost while it is held; at once if it is already lost. */
  onLost(listener: (error: Error) => void): void
  /**
   * Whether the lock is still held, as far as this process can know without waiting: a lease that has run out is lost even if no timer has fired yet, and
   * so is a lock whose ticket is gone. It is called often, and may cost one system call. Before it returns false, it calls the listener of `onLost`. Missing
   * if there is nothing to check.
   */
  isHeld?(): boolean
  /**
   * Calls `listener` once another request waits for the resource: at most a second later, and at once if one already waits. Missing if the engine
   * can't tell.
   */
  onWanted?(listener: () => void): void
}

/** The holders and the waiters of a resource, each in queue order, at one moment. */
export interface EngineSnapshot {
  /** The holders. */
  readonly held: readonly Requester[]
  /** The waiters, the next one first. */
  readonly pending: readonly Requester[]
  /** Something else at the place of the resource that keeps requests from being granted. Missing if there is nothing. */
  readonly obstacle?: Obstacle | undefined
}

/** A holder of a resource, or a waiter. */
export interface Requester {
  /** The claim of its request. */
  readonly claim: Claim
  /** Its process id, for display only: it proves nothing. `undefined` if the engine can't see it. */
  readonly pid: number | undefined
  /** When it acquired the lock or began to wait, by the wall clock, in milliseconds since the epoch. `undefined` if the engine can't see it. */
  readonly sinceMs: number | undefined
  /**
   * The same in nanoseconds, by a clock that all clients share, so that events of different resources can be ordered. For a holder that did not wait, it is the time
   * of the request. Missing if the engine has no such clock; `sinceMs` gives the order then.
   */
  readonly sinceNs?: bigint | undefined
  /** Its `options.label`. */
  readonly label: string | undefined
  /** Its command line. `undefined` if it couldn't be asked. */
  readonly command: string | undefined
  /** Whether it belongs to this process (or thread). */
  readonly self: boolean
  /** Identifies its client. No two clients have the same value, and it is never reused. Missing if the engine can't tell. */
  readonly client?: string | undefined
  /** @internal Its `AcquireRequest.identity`. Missing if it has none, if it was made elsewhere, or if the engine can't tell. */
  readonly identity?: object | undefined
}
