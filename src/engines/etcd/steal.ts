/**
 * A thief: it writes a ticket that stands ahead of all earlier ones, and deletes the tickets of all requests that can possibly hold.
 *
 *  1. The transaction that writes the thief's ticket shows the queue as it was then. Every ticket that has held, or may come to hold without having seen
 *     the thief, is among these: the earlier thieves; and the tickets whose turn it is among the tickets that aren't thieves' (once it
 *     is a ticket's turn there, it stays so). If an earlier thief has finished its work, none of the latter: it has deleted all of them,
 *     and stands ahead of the others.
 *  2. These tickets are deleted, and the thief's own is marked, in that order or in one step. Only then does it hold.
 *  3. In the same step, the key of each session that lost a ticket is written, which makes its owner check its tickets.
 *  4. If a thief finds its own ticket gone, a later thief has stolen the lock from it: it has held, for no time.
 */
import { splitByTurn } from '../../core/standing.ts'
import { SlocketError } from '../../errors.ts'
import { debug } from '../../debug.ts'
import { endOf, inOrder, ordinaryPrefix, parseTicket, resourceOf, sessionKey, thiefPrefix } from './keys.ts'
import type { ListedTicket } from './keys.ts'
import type { KeyValue, Operation, TxnResponse } from './protocol.ts'
import { CREATE_REVISION, IS_EQUAL, IS_GREATER } from './protocol.ts'
import type { QueueParts } from './parts.ts'
import type { OwnTicket } from './ticket.ts'
import { formatValue, parseValue } from '../ticket-value.ts'

/** How many tickets to delete at once. Each costs up to two operations of a transaction, of which etcd allows 128. */
const MOST_AT_ONCE = 50

/** Writes the ticket, and steals the lock. Resolves with false if it was no longer needed before that. */
export async function joinAndSteal(parts: QueueParts, prefix: string, own: OwnTicket): Promise<boolean> {
  const victims = await joinInFront(parts, prefix, own)
  if (victims === undefined) return false
  debug('etcd: %s steals from %d tickets', own.key, victims.length)
  for (let start = 0; start === 0 || start < victims.length; start += MOST_AT_ONCE) {
    const batch = victims.slice(start, start + MOST_AT_ONCE)
    const outcome = await take(parts, own, batch, start + MOST_AT_ONCE >= victims.length)
    if (outcome === 'over') return false
    if (outcome === 'stolen') {
      const name = resourceOf(parts.namespace, own.key)
      own.loss = new SlocketError('ERR_SLOCKET_LOST', `the lock '${name}' is lost: it was stolen by another thief`)
      break
    }
  }
  own.joinListing = [ownListing(prefix, own)]
  return true
}

async function joinInFront(parts: QueueParts, prefix: string, own: OwnTicket): Promise<ListedTicket[] | undefined> {
  const listing: Operation[] = [ordinaryPrefix(prefix), thiefPrefix(prefix)].map((key) => ({
    range: { key, rangeEnd: endOf(key) },
  }))
  const answer = await parts.client.ask(
    'Txn',
    {
      compare: [createdAt(own.key, 0n)],
      success: [
        { put: { key: own.key, lease: own.session.lease, value: formatValue(parts.identity, own) } },
        ...listing,
      ],
      // If the request is sent twice, the listing also has later tickets, which are left alone.
      failure: [{ range: { key: own.key, keysOnly: true } }, ...listing],
    },
    { isOver: isOver(own), onSend: () => void (own.unanswered += 1) },
  )
  if (answer === undefined) return undefined
  own.unanswered -= 1
  const found = answer.responses?.[0]?.range?.kvs?.[0]?.createRevision
  if (answer.succeeded !== true && found === undefined) return undefined
  own.createRevision = BigInt(answer.succeeded === true ? answer.header.revision : found!)
  // If a later thief takes it, this is its token: smaller than that thief's.
  own.seenRevision = own.createRevision
  return victimsIn(prefix, own.createRevision, answer)
}

/** Returns all tickets that may hold. */
function victimsIn(prefix: string, since: bigint, { responses = [] }: TxnResponse): ListedTicket[] {
  const seen = responses.slice(1).flatMap(({ range }) => range?.kvs ?? [])
  const before = seen.flatMap((keyValue) => {
    const ticket = parseTicket(prefix, keyValue)
    return ticket !== undefined && ticket.createRevision < since ? [{ ...ticket, hasStolen: hasStolen(keyValue) }] : []
  })
  const thieves = before.filter(({ isThief }) => isThief)
  if (thieves.some((thief) => thief.hasStolen)) return thieves
  return [...thieves, ...splitByTurn(inOrder(before.filter(({ isThief }) => !isThief))).held]
}

function hasStolen({ value }: KeyValue): boolean {
  return parseValue(value).hasStolen
}

/** Deletes the tickets, notifies their sessions, and, with the last of them, marks the thief's own. */
async function take(
  parts: QueueParts,
  own: OwnTicket,
  victims: readonly ListedTicket[],
  isLast: boolean,
): Promise<'done' | 'stolen' | 'over'> {
  const value = formatValue(parts.identity, own, true)
  const mark: Operation[] = isLast ? [{ put: { key: own.key, lease: own.session.lease, value } }] : []
  let sessions = [...new Set(victims.map(({ lease }) => sessionKey(parts.namespace, lease)))]
  // Bound: each round except the last leaves out a session that has ended.
  for (;;) {
    const answer = await parts.client.ask(
      'Txn',
      {
        compare: [
          createdAt(own.key, own.createRevision!),
          ...sessions.map((key) => ({ key, target: CREATE_REVISION, result: IS_GREATER, createRevision: '0' })),
        ],
        success: [
          ...victims.map(({ key }) => ({ delete: { key } })),
          ...sessions.map((key) => ({ put: { key, ignoreLease: true } })),
          ...mark,
        ],
        failure: [own.key, ...sessions].map((key) => ({ range: { key, keysOnly: true } })),
      },
      { isOver: isOver(own) },
    )
    if (answer === undefined) return 'over'
    if (answer.succeeded === true) {
      own.seenRevision = BigInt(answer.header.revision)
      return 'done'
    }
    const found = answer.responses?.map(({ range }) => range?.kvs?.[0]?.createRevision) ?? []
    if (found[0] === undefined || BigInt(found[0]) !== own.createRevision) return 'stolen'
    sessions = sessions.filter((_key, index) => found[index + 1] !== undefined)
  }
}

function ownListing(prefix: string, { key, createRevision }: OwnTicket): ListedTicket {
  return parseTicket(prefix, { key, createRevision: String(createRevision) })!
}

function isOver({ request, session }: OwnTicket): () => boolean {
  return () => request.cancellation.cancelled || !session.isAlive()
}

function createdAt(
  key: string,
  revision: bigint,
): { key: string; target: number; result: number; createRevision: string } {
  return { key, target: CREATE_REVISION, result: IS_EQUAL, createRevision: String(revision) }
}
