import type { Claim } from './claim.ts'

/** One place in a queue, as a listing shows it. Listings are in queue order, and hold no ticket known to be dead. */
export interface Ticket {
  /** Never used twice, in any queue. */
  readonly id: string
  readonly claim: Claim
  /** Whether its owner is proven to be alive. False means not known yet: a ticket known to be dead is not listed. */
  readonly live: boolean
  /** Whether it may be withdrawn in a moment without ever having held, because its owner is still joining the queue. */
  readonly joining: boolean
}

/** What the core needs to know of a ticket: its id, and what it asks for. */
export type TicketIdentity = Pick<Ticket, 'id' | 'claim'>
