/** What a holder has that stands in the queue by a party. */
import type { Grant } from './engine.ts'
import type { GrantFacts } from './ticket-queue.ts'
import type { Request } from './request.ts'

/** What a grant asks of its party. */
export interface GrantingParty {
  release(grant: PartyGrant): void | Promise<void>
  isHeldBy(grant: PartyGrant): boolean
  /** A holder wants to know when somebody waits. */
  watch(): void
}

/** What one holder in a party has. */
export class PartyGrant implements Grant {
  readonly token: bigint
  readonly recovered: boolean
  readonly hasWaited: boolean
  readonly request: Request
  readonly #party: GrantingParty
  #lost: Error | undefined
  #onLost: ((error: Error) => void) | undefined
  #onWanted: (() => void) | undefined

  constructor(party: GrantingParty, request: Request, facts: GrantFacts & { readonly hasWaited: boolean }) {
    this.#party = party
    this.request = request
    this.token = facts.token
    this.recovered = facts.recovered
    this.hasWaited = facts.hasWaited
  }

  release(): void | Promise<void> {
    return this.#party.release(this)
  }

  isHeld(): boolean {
    return this.#party.isHeldBy(this)
  }

  onLost(listener: (error: Error) => void): void {
    this.#onLost = listener
    if (this.#lost !== undefined) listener(this.#lost)
  }

  get isWatching(): boolean {
    return this.#onWanted !== undefined
  }

  onWanted(listener: () => void): void {
    this.#onWanted = listener
    this.#party.watch()
  }

  tellWanted(): void {
    const listener = this.#onWanted
    this.#onWanted = undefined
    listener?.()
  }

  lose(error: Error): void {
    this.#lost = error
    this.#onLost?.(error)
  }
}
