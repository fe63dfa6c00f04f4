/**
 * The part of its queue that a ticket reads: itself, and as many of those before it as can matter to it (core/turn.ts looks at no more). So what is read does not grow with
 * the queue.
 */
import { mostAhead } from '../../core/turn.ts'
import { endOf, inOrder, ordinaryPrefix, parseTicket, thiefPrefix } from './keys.ts'
import type { ListedTicket } from './keys.ts'
import type { KeyValue, Operation, RangeRequest } from './protocol.ts'
import { BY_CREATION, DESCENDING } from './protocol.ts'
import type { OwnTicket } from './ticket.ts'

/** Returns the operations of a transaction that read the listing of `own`, after its key was written. */
export function listingFor(queue: string, own: OwnTicket): Operation[] {
  const thieves = thiefPrefix(queue)
  return [
    ...ordinaryFor(ordinaryPrefix(queue), own).map((range) => ({ range })),
    { range: { key: thieves, rangeEnd: endOf(thieves), keysOnly: true } },
  ]
}

function ordinaryFor(prefix: string, { claim, createRevision, request, key, seesAll }: OwnTicket): RangeRequest[] {
  const upToOwn = {
    keysOnly: true,
    sortOrder: DESCENDING,
    sortTarget: BY_CREATION,
    ...(createRevision === undefined ? {} : { maxCreateRevision: String(createRevision) }),
  }
  const all = { key: prefix, rangeEnd: endOf(prefix), ...upToOwn }
  if (seesAll) return [all]
  switch (claim.kind) {
    case 'exclusive':
      return [{ ...all, limit: 2 }]
    case 'permit':
      return [{ ...all, limit: mostAhead(claim) + 1 }]
    case 'shared': {
      // No tickets that share with it: only the last one ahead that is exclusive, or asks for a permit. (`.` comes right after `-`, and `q` after `p`.)
      const own = request.steal ? [] : [{ key, keysOnly: true }]
      const last = { ...upToOwn, limit: 1 }
      return [
        ...own,
        { ...last, key: `${prefix}x-`, rangeEnd: `${prefix}x.` },
        { ...last, key: `${prefix}p`, rangeEnd: `${prefix}q` },
      ]
    }
  }
}

/** Undefined if one of the keys isn't that of a ticket: if the listing was limited, it may stand there in place of a ticket that matters. */
export function readListing(queue: string, keys: readonly KeyValue[]): { tickets: ListedTicket[]; isClean: boolean } {
  const tickets = keys.flatMap((key) => parseTicket(queue, key) ?? [])
  return { tickets: inOrder(tickets), isClean: tickets.length === keys.length }
}
