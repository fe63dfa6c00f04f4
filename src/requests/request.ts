/**
 * A request for a lock, until it is granted, refused or cancelled; from a grant on, it is that grant.
 *
 * This file, group.ts and resource-requests.ts use plain fields and no private names: a process that contends for a lock runs this code only some
 * hundred times, so V8 does not optimize it. In interpreted code, acquire and release take a tenth longer with private names (Node 20.20, memory engine).
 */
import type { AcquireRequest, Grant } from './engine.ts'
import { onAbort } from './on-abort.ts'
import type { GrantFacts, QueuedRequest } from './ticket-queue.ts'
import type { Claim } from '../core/claim.ts'
import { wallNowMs, monotonicNowNs } from '../real-time.ts'

/** The time that the last request of this thread was given. */
let lastNs = 0n

/** Returns the current time, later than any time returned before in this thread. */
function nextNs(): bigint {
  const now = monotonicNowNs()
  lastNs = now > lastNs ? now : lastNs + 1n
  return lastNs
}

/** The caller that a request notifies of its result: one of the methods is called, once. */
export interface Asker {
  /** @param grant null only if the request doesn't wait. */
  onGrant(grant: Grant | null): void
  onError(error: unknown): void
}

/** What a request needs from its group (group.ts). */
export interface RequestGroup {
  drop(request: Request): void
  release(request: Request): void | Promise<void>
  readonly canDowngrade?: boolean
  /** Called only if the queue can downgrade. */
  downgrade?(request: Request): void | Promise<void>
  isHeld(): boolean
  watch(): void
}

export class Request implements Grant, QueuedRequest {
  readonly claim: Claim
  readonly wait: boolean
  readonly steal: boolean
  readonly label: string | undefined
  /** See {@link AcquireRequest}. */
  readonly identity: object | undefined
  readonly lingerMs: number
  /** See {@link AcquireRequest}; 0 for a claim that isn't exclusive, and for a thief. */
  readonly sliceMs: number
  readonly signal: AbortSignal | undefined
  /** When it began to wait; after its grant, when it began to hold. */
  sinceMs: number
  /** The same, but after a grant that needed no waiting it is still the time of the request. */
  sinceNs: bigint
  /** Whether it was granted, refused, rejected or cancelled. */
  isSettled: boolean = false
  /** The group by which it stands in the queue, or holds. */
  group: RequestGroup | undefined = undefined
  /** Its neighbours in the group. */
  previous: Request | undefined = undefined
  next: Request | undefined = undefined

  /** See {@link AcquireRequest}. Called by {@link becomeQueued}. */
  onQueued: (() => void) | undefined

  token: bigint = 0n
  recovered: boolean = false
  hasWaited: boolean = false

  private readonly asker: Asker
  /** Has `onSelfWait`, if that is still to be called. */
  private selfWaitNotice: AcquireRequest | undefined
  private readonly stopListening: (() => void) | undefined
  private loss: Error | undefined = undefined
  private lossListener: ((error: Error) => void) | undefined = undefined
  private wantedListener: (() => void) | undefined = undefined

  constructor(asked: AcquireRequest, asker: Asker) {
    this.claim = asked.claim
    this.wait = asked.wait
    this.steal = asked.steal === true
    this.label = asked.label
    this.identity = asked.identity
    this.lingerMs = asked.lingerMs
    this.sliceMs = asked.sliceMs === undefined || this.steal || this.claim.kind !== 'exclusive' ? 0 : asked.sliceMs
    this.signal = asked.signal
    this.sinceMs = wallNowMs()
    this.sinceNs = nextNs()
    this.asker = asker
    this.onQueued = asked.onQueued
    this.selfWaitNotice = asked.onSelfWait === undefined ? undefined : asked
    const { signal } = this
    this.stopListening = signal === undefined ? undefined : onAbort(signal, () => this.cancel(signal.reason))
  }

  /** Whether it asks to be notified if its own process has held the lock for as long as it has waited. */
  get noticesSelfWait(): boolean {
    return this.wait && this.selfWaitNotice !== undefined
  }

  /** @param holder undefined if its own process does not hold the lock, or has not held it for that long. */
  noticeSelfWait(holder: QueuedRequest | undefined): void {
    if (holder === undefined) return
    const notice = this.selfWaitNotice
    this.selfWaitNotice = undefined
    notice?.onSelfWait?.(holder)
  }

  /** Must be called when it has its place in the queue, or is settled. */
  becomeQueued(): void {
    const { onQueued } = this
    this.onQueued = undefined
    onQueued?.()
  }

  grant({ token, recovered }: GrantFacts, hasWaited: boolean): void {
    this.token = token
    this.recovered = recovered
    this.hasWaited = hasWaited
    this.sinceMs = wallNowMs()
    if (hasWaited) this.sinceNs = nextNs()
    // As `settle`.
    this.isSettled = true
    this.stopListening?.()
    if (this.onQueued !== undefined) this.becomeQueued()
    this.asker.onGrant(this)
  }

  refuse(): void {
    this.settle()
    this.asker.onGrant(null)
  }

  reject(error: unknown): void {
    this.settle()
    this.asker.onError(error)
  }

  /** Rejects it with `reason`, and takes it out of the queue, unless it is settled. */
  cancel(reason: unknown): void {
    if (this.isSettled) return
    this.reject(reason)
    this.group?.drop(this)
  }

  private settle(): void {
    this.isSettled = true
    this.stopListening?.()
    if (this.onQueued !== undefined) this.becomeQueued()
  }

  release(): void | Promise<void> {
    return this.group?.release(this)
  }

  /** Undefined if its queue can't downgrade. */
  get downgrade(): (() => void | Promise<void>) | undefined {
    if (this.group?.canDowngrade !== true) return undefined
    return () => this.group?.downgrade?.(this)
  }

  isHeld(): boolean {
    return this.group !== undefined && this.group.isHeld()
  }

  onLost(listener: (error: Error) => void): void {
    this.lossListener = listener
    if (this.loss !== undefined) listener(this.loss)
  }

  lose(error: Error): void {
    this.loss = error
    this.lossListener?.(error)
  }

  onWanted(listener: () => void): void {
    this.wantedListener = listener
    this.group?.watch()
  }

  /** Whether it asks to be notified when another request waits. */
  get isWatching(): boolean {
    return this.wantedListener !== undefined
  }

  becomeWanted(): void {
    const listener = this.wantedListener
    this.wantedListener = undefined
    listener?.()
  }
}
