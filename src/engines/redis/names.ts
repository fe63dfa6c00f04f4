/**
 * The names of keys and channels.
 *
 *     NAMESPACE:{NAME}:queue     sorted set: ticket → place. The holders come first
 *     NAMESPACE:{NAME}:leases    sorted set: client → when its lease in this queue runs out, in ms since 1970 by the clock of the server
 *     NAMESPACE:{NAME}:tickets   hash: ticket → its claim and what it says of its owner; `#CLIENT` → how many tickets that client has; `+` → how many permits the holders take besides one each; `!` → a holder ended without releasing
 *     NAMESPACE:{NAME}:held      hash: ticket that holds → token, recovered, since when
 *     NAMESPACE:{NAME}:token     the last token. Forgotten after a day: by then the clock has passed it
 *     NAMESPACE:wake:SESSION     the channel of a session
 *
 * The braces are the hash tag of Redis Cluster: all keys of a lock are in one slot. A ticket is CLIENT.NUMBER. A client
 * is the first engine of a session, SESSION, or another one, SESSION~NUMBER.
 */
import type { Claim } from '../../core/claim.ts'
import { EXCLUSIVE, formatPermits, parsePermits, SHARED } from '../../core/claim.ts'

const HALF_A_CHARACTER = /\p{Surrogate}/u
const KEYS = ['queue', 'leases', 'tickets', 'held', 'token']

export function keysOf(namespace: string, name: string): string[] {
  const prefix = `${namespace}:{${encodeName(name)}}:`
  return KEYS.map((key) => prefix + key)
}

/** A pattern for SCAN: the queues of all locks. */
export function queuesPattern(namespace: string): string {
  return `${namespace.replaceAll(/[\\*?[\]]/g, String.raw`\$&`)}:{*}:queue`
}

/** The name of the lock that a queue belongs to. Undefined if the key isn't one of a queue. */
export function nameOf(namespace: string, queue: string): string | undefined {
  const begin = `${namespace}:{`
  const end = '}:queue'
  if (!queue.startsWith(begin) || !queue.endsWith(end)) return undefined
  return decodeName(queue.slice(begin.length, -end.length))
}

export function channelPrefix(namespace: string): string {
  return `${namespace}:wake:`
}

/** Readable, without braces and control characters. The empty name, and names that aren't well-formed Unicode (half a surrogate pair), are encoded as base64. */
export function encodeName(name: string): string {
  if (name !== '' && !HALF_A_CHARACTER.test(name)) return encodeURIComponent(name)
  return `=${Buffer.from(name, 'utf16le').toString('base64url')}`
}

export function decodeName(text: string): string | undefined {
  if (text.startsWith('=')) return Buffer.from(text.slice(1), 'base64url').toString('utf16le')
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

export function formatClaim(claim: Claim): string {
  switch (claim.kind) {
    case 'exclusive':
      return 'x'
    case 'shared':
      return 's'
    case 'permit':
      return formatPermits(claim)
  }
}

export function parseClaim(text: string): Claim {
  if (text === 's') return SHARED
  return parsePermits(text) ?? EXCLUSIVE
}
