/**
 * The names of keys, and their meaning.
 *
 *     NAMESPACE/q/RESOURCE/t/CLAIM-LEASE-NUMBER   a ticket; its place in the queue is its create_revision
 *     NAMESPACE/q/RESOURCE/s/CLAIM-LEASE-NUMBER   a thief's: before all tickets that came before it, and those of earlier thieves
 *     NAMESPACE/q/RESOURCE/s/d-LEASE-NUMBER       that of a holder that was downgraded: it shares, before all tickets except those of thieves
 *     NAMESPACE/s/LEASE                           a session: it ends when this key does; a put to it says "look after your tickets"
 *
 * A resource is written as base64url, so that no name is the beginning of another. LEASE is the session's, in base 36. All that decisions need
 * is in the keys; values are for people to read.
 */
import type { Claim } from '../../core/claim.ts'
import { EXCLUSIVE, formatPermits, parsePermits, PERMITS_PATTERN, SHARED } from '../../core/claim.ts'
import type { Ticket } from '../../core/ticket.ts'
import type { KeyValue } from './protocol.ts'

/** A ticket as etcd shows it. All that are shown are alive. */
export interface ListedTicket extends Ticket {
  readonly key: string
  readonly createRevision: bigint
  readonly isThief: boolean
  /** Whether it stands in place of the ticket of an exclusive holder that was downgraded. */
  readonly isDowngraded: boolean
  /** In base 36. */
  readonly lease: string
}

const HALF_A_CHARACTER = /\p{Surrogate}/u
const TICKET = new RegExp(`^(?:([ts])/(x|s|${PERMITS_PATTERN})|s/d)-([0-9a-z]+)-\\d+$`)

export function queuesPrefix(namespace: string): string {
  return `${namespace}/q/`
}

export function queuePrefix(namespace: string, resource: string): string {
  return `${queuesPrefix(namespace)}${encodeResource(resource)}/`
}

/** Returns the resource of a ticket, from its key. */
export function resourceOf(namespace: string, key: string): string {
  const start = queuesPrefix(namespace).length
  return decodeResource(key.slice(start, key.indexOf('/', start)))
}

export function ordinaryPrefix(queue: string): string {
  return `${queue}t/`
}

export function thiefPrefix(queue: string): string {
  return `${queue}s/`
}

export function sessionKey(namespace: string, lease: string): string {
  return `${namespace}/s/${lease}`
}

/** Returns the first key after all keys with `prefix`, which ends with a slash. */
export function endOf(prefix: string): string {
  return `${prefix.slice(0, -1)}0`
}

export function ticketKey(queue: string, claim: Claim, isThief: boolean, lease: string, number: number): string {
  const prefix = isThief ? thiefPrefix(queue) : ordinaryPrefix(queue)
  return `${prefix}${formatClaim(claim)}-${lease}-${number}`
}

/** @param lease in decimal. */
export function downgradedKey(queue: string, lease: string, number: number): string {
  return `${thiefPrefix(queue)}d-${formatLease(lease)}-${number}`
}

/** Identifies a ticket: a key may be written again after it was deleted; then it is another ticket. */
export function ticketId(key: string, createRevision: bigint): string {
  return `${key}@${createRevision}`
}

/** Undefined if the key isn't that of a ticket. */
export function parseTicket(queue: string, { key, createRevision: revision }: KeyValue): ListedTicket | undefined {
  const match = TICKET.exec(key.slice(queue.length))
  if (match === null) return undefined
  const [, kind, letters, lease = ''] = match
  const isDowngraded = letters === undefined
  const claim = isDowngraded ? SHARED : parseClaim(letters)
  if (claim === undefined) return undefined
  const createRevision = BigInt(revision)
  const id = ticketId(key, createRevision)
  return { id, key, createRevision, claim, isThief: kind === 's', isDowngraded, lease, live: true, joining: false }
}

/** Sorts a queue: the newest thief first, then a holder that was downgraded, then the other tickets in the order in which they came. */
export function inOrder<T extends ListedTicket>(tickets: readonly T[]): T[] {
  return [...tickets].sort((a, b) => {
    if (a.isThief !== b.isThief) return a.isThief ? -1 : 1
    if (a.isDowngraded !== b.isDowngraded) return a.isDowngraded ? -1 : 1
    const isBefore = a.isThief ? a.createRevision > b.createRevision : a.createRevision < b.createRevision
    return isBefore ? -1 : 1
  })
}

export function formatLease(decimal: string): string {
  return BigInt(decimal).toString(36)
}

/** Strings that aren't valid Unicode (half a surrogate pair) are encoded in another way, so that they stay distinct. */
export function encodeResource(resource: string): string {
  if (!HALF_A_CHARACTER.test(resource)) return Buffer.from(resource).toString('base64url')
  return `.${Buffer.from(resource, 'utf16le').toString('base64url')}`
}

export function decodeResource(text: string): string {
  if (text.startsWith('.')) return Buffer.from(text.slice(1), 'base64url').toString('utf16le')
  return Buffer.from(text, 'base64url').toString()
}

function formatClaim(claim: Claim): string {
  switch (claim.kind) {
    case 'exclusive':
      return 'x'
    case 'shared':
      return 's'
    case 'permit':
      return formatPermits(claim)
  }
}

function parseClaim(text: string): Claim | undefined {
  if (text === 'x') return EXCLUSIVE
  if (text === 's') return SHARED
  return parsePermits(text)
}
