/** Whether somebody waits because of a ticket that holds. */
import type { EtcdClient } from './client.ts'
import { endOf, ordinaryPrefix } from './keys.ts'
import type { RangeRequest } from './protocol.ts'
import { ASCENDING, BY_CREATION } from './protocol.ts'
import type { OwnTicket } from './ticket.ts'
import { parseValue } from '../ticket-value.ts'

/** Some of those behind may be tries, which only look. */
const SOME = 10

/** One look. @throws as `EtcdClient.ask`. */
export async function isWanted(client: EtcdClient, queue: string, own: OwnTicket): Promise<boolean> {
  const isOver = (): boolean => !own.isHeld
  const answer = await client.ask('Range', rangeFor(queue, own), { isOver, isBackground: true })
  const first = own.claim.kind === 'permit' ? own.claim.permits : 0
  return own.isHeld && (answer?.kvs ?? []).slice(first).some(({ value }) => parseValue(value).wait)
}

function rangeFor(queue: string, { claim, createRevision, request }: OwnTicket): RangeRequest {
  const prefix = ordinaryPrefix(queue)
  const all = { key: prefix, rangeEnd: endOf(prefix), sortOrder: ASCENDING, sortTarget: BY_CREATION }
  // All who came before a thief wait for it, but for those it has robbed.
  const behind = request.steal ? {} : { minCreateRevision: String(createRevision! + 1n) }
  switch (claim.kind) {
    case 'exclusive':
      return { ...all, ...behind, limit: SOME }
    case 'shared':
      // Who waits is exclusive, or waits for one who is.
      return { ...all, ...behind, key: `${prefix}x-`, rangeEnd: `${prefix}x.`, limit: SOME }
    case 'permit':
      // Who has as many ahead as may hold.
      return { ...all, limit: claim.permits + SOME }
  }
}
