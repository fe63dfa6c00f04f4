/**
 * A downgrade: a shared ticket replaces the holder's ticket, and stands before all tickets except thieves' tickets.
 *
 *  1. One transaction deletes the one ticket and writes the other, under the same lease. So every listing shows exactly one of them, in the same place.
 *  2. It does nothing if a thief has joined after the holder. The thief deletes the tickets that it saw, and the new one isn't among them. The lock is lost then,
 *     even if the thief dies before it has stolen anything.
 *  3. It may be carried out late or twice: if the holder's ticket is gone, it does nothing. If it finds the new ticket then, it was carried out before.
 *  4. Until the outcome is known, either ticket may be in the queue: `OwnTicket.keys`. A release deletes both in one transaction.
 */
import { downgradedKey, thiefPrefix } from './keys.ts'
import type { QueueParts } from './parts.ts'
import type { Compare, TxnRequest } from './protocol.ts'
import { CREATE_REVISION, IS_EQUAL, IS_LESS } from './protocol.ts'
import { meaningOf } from './refusal.ts'
import type { OwnTicket } from './ticket.ts'
import { stolenOrRemoved } from './ticket.ts'
import { formatValue } from '../ticket-value.ts'

/** Where the names of tickets begin and end, by their claims: see keys.ts. Keys of a namespace that lies inside of the queue are not among these. */
const CLAIMS = [
  ['x-', 'x.'],
  ['s-', 's.'],
  ['p', 'q'],
] as const

/** As `TicketQueue.downgrade`. @throws as `EtcdClient.ask`. */
export async function downgrade(parts: QueueParts, prefix: string, own: OwnTicket): Promise<void> {
  const { key, createRevision, session } = own
  if (!own.isHeld || own.isDowngraded || createRevision === undefined) return
  const sharedKey = (own.sharedKey ??= downgradedKey(prefix, session.lease, parts.nextNumber()))
  const txn: TxnRequest = {
    compare: [isThere(key, createRevision), ...noThiefAfter(prefix, createRevision)],
    success: [
      { delete: { key } },
      { put: { key: sharedKey, lease: session.lease, value: formatValue(parts.identity, own) } },
    ],
    failure: [{ range: { key: sharedKey, keysOnly: true } }],
  }
  try {
    const isOver = (): boolean => !own.isHeld || !session.seemsAlive()
    const answer = await parts.client.ask('Txn', txn, { isOver })
    if (answer === undefined) return
    const found = answer.responses?.[0]?.range?.kvs?.[0]?.createRevision
    const revision = answer.succeeded === true ? answer.header.revision : found
    if (revision === undefined) own.lose(stolenOrRemoved(parts.namespace, key), true)
    else session.replaceKey(own, sharedKey, BigInt(revision))
  } catch (error) {
    if (meaningOf(error) !== 'no lease') throw error
    session.lose('its lease in etcd was revoked, or has run out')
  }
}

function isThere(key: string, revision: bigint): Compare {
  return { key, target: CREATE_REVISION, result: IS_EQUAL, createRevision: String(revision) }
}

/** If no key is in a range, etcd compares a revision of 0: applyCompare in server/etcdserver (v3.4 and later). */
function noThiefAfter(prefix: string, revision: bigint): Compare[] {
  const thieves = thiefPrefix(prefix)
  return CLAIMS.map(([from, end]) => ({
    key: `${thieves}${from}`,
    rangeEnd: `${thieves}${end}`,
    target: CREATE_REVISION,
    result: IS_LESS,
    createRevision: String(revision + 1n),
  }))
}
