/**
 * One request for a lock, from the call to its outcome.
 *
 * | state    | meaning                                                        | what ends it                          |
 * | -------- | -------------------------------------------------------------- | ------------------------------------- |
 * | here     | waits in this process: no connection is free, the previous request for the same lock isn't queued yet, or its connection was cut | a session, an abort |
 * | entering | its session is being opened, or its statement has been sent    | the server's queue, an outcome        |
 * | queued   | the server has it in its queue                                 | an outcome                            |
 * | settled  | granted, refused or rejected                                   |                                       |
 */
import type { AcquireRequest, Grant } from '../../requests/engine.ts'
import { onAbort } from '../../requests/on-abort.ts'
import type { Statements } from './statements.ts'

export type RequestState = 'here' | 'entering' | 'queued' | 'settled'

export class Request {
  readonly asked: AcquireRequest
  readonly statements: Statements
  /** Its number among the requests of this engine. */
  order: number = 0
  #needsPlace: boolean
  /** Called when the request is cancelled. */
  onCancelled: (() => void) | undefined
  /** Called when it has to be found out whether the request is queued. */
  onPlaceNeeded: (() => void) | undefined
  /** Called when the request is queued or settled. */
  onPlaced: (() => void) | undefined
  #state: RequestState = 'here'
  /** Whether it has ever been queued, or is settled. */
  #isPlaced = false
  readonly #resolve: (grant: Grant | null) => void
  readonly #reject: (error: unknown) => void
  readonly #stopListening: (() => void) | undefined

  constructor(
    asked: AcquireRequest,
    statements: Statements,
    settle: { readonly resolve: (grant: Grant | null) => void; readonly reject: (error: unknown) => void },
  ) {
    this.asked = asked
    this.statements = statements
    this.#needsPlace = asked.onQueued !== undefined
    this.#resolve = settle.resolve
    this.#reject = settle.reject
    const { signal } = asked
    if (signal !== undefined) this.#stopListening = onAbort(signal, () => this.onCancelled?.())
  }

  get state(): RequestState {
    return this.#state
  }

  get isCancelled(): boolean {
    return this.asked.signal?.aborted === true
  }

  /** Whether it has to be found out when the request is queued. */
  get needsPlace(): boolean {
    return this.#needsPlace
  }

  needPlace(): void {
    if (this.#needsPlace) return
    this.#needsPlace = true
    this.onPlaceNeeded?.()
  }

  /** Called when its connection was cut. It keeps its place in this process, but not in the server's queue. */
  becomeHere(): void {
    if (this.#state !== 'settled') this.#state = 'here'
  }

  becomeEntering(): void {
    if (this.#state === 'here') this.#state = 'entering'
  }

  becomeQueued(): void {
    if (this.#state !== 'entering') return
    this.#state = 'queued'
    this.#notifyPlaced()
  }

  /** Not for a cancelled request: release what it holds, then call {@link becomeCancelled}. */
  becomeGranted(grant: Grant | null): void {
    this.#becomeSettled()
    this.#resolve(grant)
  }

  becomeRejected(error: unknown): void {
    if (this.#state === 'settled') return
    this.#becomeSettled()
    this.#reject(error)
  }

  becomeCancelled(): void {
    this.becomeRejected(this.asked.signal?.reason)
  }

  #becomeSettled(): void {
    const isPlaced = this.#state === 'queued'
    this.#state = 'settled'
    this.#stopListening?.()
    this.onCancelled = undefined
    if (!isPlaced) this.#notifyPlaced()
  }

  #notifyPlaced(): void {
    const { onPlaced } = this
    this.onPlaced = undefined
    onPlaced?.()
    if (this.#isPlaced) return
    this.#isPlaced = true
    this.asked.onQueued?.()
  }
}
