/** Looks from time to time whether a request waits, and notifies the holders that asked for it, for as long as there are any. */
import type { TicketIdentity } from '../core/ticket.ts'
import { debug } from '../debug.ts'
import type { PlacedGroup } from './resource-requests.ts'
import type { TicketQueue } from './ticket-queue.ts'
import { setInterval, clearInterval } from '../real-time.ts'

/** The time between two looks, in ms. A look is one listing. */
const WANTED_MS = 1000

/** Whether a request waits because of `ticket`, which holds. A look that fails counts as false. */
export function isWantedBy(queue: TicketQueue, ticket: TicketIdentity): boolean | Promise<boolean> {
  const onFailure = (error: unknown): false => {
    debug('who waits could not be found out: %s', error)
    return false
  }
  try {
    const wanted = queue.isWanted?.(ticket) ?? false
    return wanted instanceof Promise ? wanted.catch(onFailure) : wanted
  } catch (error) {
    return onFailure(error)
  }
}

export class WantedWatch {
  readonly #group: Pick<PlacedGroup, 'holding' | 'isWanted'>
  #timer: NodeJS.Timeout | undefined
  /** The look whose answer has not come yet. */
  #looking: Promise<boolean> | undefined

  constructor(group: Pick<PlacedGroup, 'holding' | 'isWanted'>) {
    this.#group = group
  }

  look(): void {
    if (!this.#group.holding.some(({ isWatching }) => isWatching)) return this.stop()
    this.#timer ??= setInterval(() => this.look(), WANTED_MS).unref()
    if (this.#looking !== undefined) return
    const wanted = this.#group.isWanted()
    if (wanted === true) this.#notify()
    else if (wanted !== false) void this.#await(wanted)
  }

  async #await(looking: Promise<boolean>): Promise<void> {
    this.#looking = looking
    const isWanted = await looking
    if (this.#looking !== looking) return
    this.#looking = undefined
    if (isWanted) this.#notify()
  }

  #notify(): void {
    this.stop()
    for (const request of this.#group.holding) request.becomeWanted()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#looking = undefined
  }
}
