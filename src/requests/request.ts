/** One caller who asked for a lock, until it is settled: granted, refused or called off. */
import type { AcquireRequest, Grant } from './engine.ts'
import { onAbort } from './on-abort.ts'
import type { PartyMember } from './ticket-queue.ts'
import type { Claim } from '../core/claim.ts'
import { wallNowMs, monotonicNowNs } from '../real-time.ts'

/** The moment that was given last to a request of this thread. */
let lastNs = 0n

/** Now; later than ever before in this thread. */
function nextNs(): bigint {
  const now = monotonicNowNs()
  lastNs = now > lastNs ? now : lastNs + 1n
  return lastNs
}

export class Request implements PartyMember {
  readonly claim: Claim
  readonly wait: boolean
  readonly label: string | undefined
  readonly lingerMs: number
  readonly steal: boolean
  /** Since when it waits; from its grant on, since when it holds. */
  sinceMs: number = wallNowMs()
  /** The same; but from a grant that needed no waiting on, still since when it has asked. */
  sinceNs: bigint = nextNs()
  /** Set by whatever it waits in. Called after the promise was rejected, because the caller has aborted it or it failed alone. */
  onAborted: (() => void) | undefined
  readonly #resolve: (grant: Grant | null) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | undefined
  readonly #stopListening: (() => void) | undefined
  #onQueued: (() => void) | undefined
  #onSelfWait: AcquireRequest['onSelfWait']
  #isSettled = false

  constructor(asked: AcquireRequest, resolve: (grant: Grant | null) => void, reject: (error: unknown) => void) {
    this.claim = asked.claim
    this.wait = asked.wait
    this.label = asked.label
    this.lingerMs = asked.lingerMs
    this.steal = asked.steal === true
    this.#onQueued = asked.onQueued
    this.#onSelfWait = asked.onSelfWait
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = asked.signal
    if (asked.signal !== undefined) this.#stopListening = onAbort(asked.signal, () => this.#onAbort())
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Whether it wants to know that its own process has held the lock for as long as it waits. */
  get noticesSelfWait(): boolean {
    return this.#onSelfWait !== undefined
  }

  /** @param holder undefined if its own process does not hold the lock, or not for so long. */
  noticeSelfWait(holder: PartyMember | undefined): void {
    if (holder === undefined) return
    this.#onSelfWait?.(holder)
    this.#onSelfWait = undefined
  }

  /** It has its place in the queue, or is settled. */
  becomeQueued(): void {
    const onQueued = this.#onQueued
    this.#onQueued = undefined
    onQueued?.()
  }

  resolve(grant: Grant | null): void {
    if (grant !== null) {
      this.sinceMs = wallNowMs()
      if (grant.hasWaited !== false) this.sinceNs = nextNs()
    }
    this.#settle()
    this.#resolve(grant)
  }

  reject(error: unknown): void {
    this.#settle()
    this.#reject(error)
  }

  /** Rejects it, and takes it out of whatever it waits in. */
  fail(error: unknown): void {
    this.reject(error)
    this.onAborted?.()
  }

  #settle(): void {
    this.#isSettled = true
    this.#stopListening?.()
    this.becomeQueued()
  }

  #onAbort(): void {
    this.fail(this.#signal?.reason)
  }
}
