/** Finds out whether another ticket waits because of a ticket that holds. */
import type { EtcdClient } from './client.ts'
import { splitByTurn } from '../../core/standing.ts'
import { endOf, ordinaryPrefix, parseTicket } from './keys.ts'
import type { KeyValue, RangeRequest, RangeResponse } from './protocol.ts'
import { ASCENDING, BY_CREATION } from './protocol.ts'
import type { OwnTicket } from './ticket.ts'
import { parseValue } from '../ticket-value.ts'

/** How many tickets behind to read: some of them may be tries, which only look. */
const SOME = 10

/** Looks once; a second time if others have a larger number of permits. @throws as `EtcdClient.ask`. */
export async function isWanted(client: EtcdClient, queue: string, own: OwnTicket): Promise<boolean> {
  const isOver = (): boolean => !own.isHeld
  const look = async (range: RangeRequest): Promise<RangeResponse | undefined> =>
    await client.ask('Range', range, { isOver, isBackground: true })
  const range = rangeFor(queue, own)
  const answer = await look(range)
  if (own.claim.kind !== 'permit') return own.isHeld && (answer?.kvs ?? []).some(isWaiting)
  const isFound = doesAnyWait(queue, answer)
  if (isFound || answer?.more !== true) return own.isHeld && isFound
  return doesAnyWait(queue, await look({ ...range, limit: 0 })) && own.isHeld
}

function isWaiting({ value }: KeyValue): boolean {
  return parseValue(value).wait
}

/** Whether one of the tickets for permits, read from the head of the queue, waits. */
function doesAnyWait(queue: string, answer: RangeResponse | undefined): boolean {
  const tickets = (answer?.kvs ?? []).flatMap((keyValue) => {
    const ticket = parseTicket(queue, keyValue)
    return ticket === undefined ? [] : [{ ...ticket, isWaiting: isWaiting(keyValue) }]
  })
  return splitByTurn(tickets).pending.some((ticket) => ticket.isWaiting)
}

function rangeFor(queue: string, { claim, createRevision, request, isDowngraded }: OwnTicket): RangeRequest {
  const prefix = ordinaryPrefix(queue)
  const all = { key: prefix, rangeEnd: endOf(prefix), sortOrder: ASCENDING, sortTarget: BY_CREATION }
  // All tickets that came before a thief wait for it, except the tickets that it has stolen from. So they do for a downgraded holder, unless they share.
  const behind = request.steal || isDowngraded ? {} : { minCreateRevision: String(createRevision! + 1n) }
  switch (claim.kind) {
    case 'exclusive':
      return { ...all, ...behind, limit: SOME }
    case 'shared':
      // A waiter is exclusive, or waits for an exclusive ticket.
      return { ...all, ...behind, key: `${prefix}x-`, rangeEnd: `${prefix}x.`, limit: SOME }
    case 'permit':
      // Among so many tickets, one waits, if all have the same number of permits.
      return { ...all, limit: claim.permits + SOME }
  }
}
