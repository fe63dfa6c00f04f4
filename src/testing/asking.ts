/** One request for a lock, and its outcome. */
import assert from 'node:assert/strict'
import type { AcquireRequest, Engine, Grant } from '../requests/engine.ts'
import type { Claim } from '../core/claim.ts'
import { SHARED } from '../core/claim.ts'
import type { Holder, Holders } from './holders.ts'

export type Outcome =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'granted'; readonly held: Held }
  | { readonly kind: 'refused' }
  | { readonly kind: 'rejected'; readonly reason: unknown }

/** Asks a client for a lock through the engine contract, and records the outcome. */
export class Asking {
  readonly label: string
  readonly claim: Claim
  /** Resolves when the request is settled, whatever its outcome. Never rejects. */
  readonly settled: Promise<Outcome>
  #outcome: Outcome = { kind: 'waiting' }

  constructor(client: Engine, resource: string, request: AcquireRequest & { label: string }, holders: Holders) {
    this.label = request.label
    this.claim = request.claim
    this.settled = client.acquire(resource, request).then(
      (grant) => {
        if (grant === null) return (this.#outcome = { kind: 'refused' })
        return (this.#outcome = { kind: 'granted', held: new Held(this, grant, holders) })
      },
      (reason: unknown) => (this.#outcome = { kind: 'rejected', reason }),
    )
  }

  get outcome(): Outcome {
    return this.#outcome
  }

  get isSettled(): boolean {
    return this.#outcome.kind !== 'waiting'
  }

  /** Waits for the grant. Throws if the request has another outcome. */
  async granted(): Promise<Held> {
    const outcome = await this.settled
    if (outcome.kind === 'rejected') throw outcome.reason
    assert.equal(outcome.kind, 'granted', `what came of request ${this.label}`)
    return (outcome as { readonly held: Held }).held
  }

  async refused(): Promise<void> {
    const outcome = await this.settled
    if (outcome.kind === 'rejected') throw outcome.reason
    assert.equal(outcome.kind, 'refused', `what came of request ${this.label}`)
  }

  /** Waits for the rejection, and returns its reason. */
  async rejected(): Promise<unknown> {
    const outcome = await this.settled
    assert.equal(outcome.kind, 'rejected', `what came of request ${this.label}`)
    return (outcome as { readonly reason: unknown }).reason
  }
}

/** A lock that is held. */
export class Held implements Holder {
  readonly label: string
  claim: Claim
  readonly token: bigint
  readonly grant: Grant
  readonly #holders: Holders

  constructor(asking: Asking, grant: Grant, holders: Holders) {
    this.label = asking.label
    this.claim = asking.claim
    this.token = grant.token
    this.grant = grant
    this.#holders = holders
    holders.enter(this)
  }

  downgrade(): void | Promise<void> {
    // From the call on, others may share.
    this.claim = SHARED
    return this.grant.downgrade!()
  }

  release(): void | Promise<void> {
    this.#holders.leave(this)
    return this.grant.release()
  }
}
