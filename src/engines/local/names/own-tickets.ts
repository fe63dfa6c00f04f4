/** The own tickets of one name's queue, which are also among those of the whole root. */
import type { OwnTicket } from '../ticket.ts'

/** Notified when a queue gets its first own ticket, and when it has none any more. */
export interface QueueKeeper {
  readonly all: Map<string, OwnTicket>
  onBusy(first: OwnTicket): void
  onIdle(): void
}

export class OwnTickets extends Map<string, OwnTicket> {
  readonly #keeper: QueueKeeper

  constructor(keeper: QueueKeeper) {
    super()
    this.#keeper = keeper
  }

  override set(id: string, own: OwnTicket): this {
    super.set(id, own)
    this.#keeper.all.set(id, own)
    if (this.size === 1) this.#keeper.onBusy(own)
    return this
  }

  /** Whether an own ticket has this id, in any queue of the root. */
  isUsed(id: string): boolean {
    return this.#keeper.all.has(id)
  }

  override delete(id: string): boolean {
    if (!super.delete(id)) return false
    this.#keeper.all.delete(id)
    if (this.size === 0) this.#keeper.onIdle()
    return true
  }
}
