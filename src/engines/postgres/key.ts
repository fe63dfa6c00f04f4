/** The number by which the server knows a lock: docs/engines/postgres.md tells how to work it out by hand. */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'

const LONE_SURROGATE = /\p{Surrogate}/u
/** Bytes that UTF-8 never has. */
const NOT_UTF_8 = Buffer.of(0xff)
const OF_PERMITS = Buffer.of(0xfe)

/** How many keys {@link permitKeyOf} stands for. A power of two. */
export const KEYS_OF_PERMITS = 32n

/** A signed number of 64 bits, as advisory locks have. Two names have the same one once in 2^64 pairs. */
export function keyOf(namespace: string, name: string): bigint {
  return withText(createHash('sha256'), namespace, name).digest().readBigInt64BE(0)
}

/** The first of the keys for a lock's permits (permit-keys.ts), a multiple of their number. Two names have the same ones once in 2^59 pairs. */
export function permitKeyOf(namespace: string, name: string): bigint {
  const hash = withText(createHash('sha256').update(OF_PERMITS), namespace, name)
  return firstKeyOfPermits(hash.digest().readBigInt64BE(0))
}

/** The first of the keys for permits among which `key` would be. */
export function firstKeyOfPermits(key: bigint): bigint {
  return BigInt.asIntN(64, key & ~(KEYS_OF_PERMITS - 1n))
}

function withText(hash: Hash, namespace: string, name: string): Hash {
  const text = `${namespace}\n${name}`
  // As UTF-8, all lone surrogates would be U+FFFD, and such names the same lock.
  return LONE_SURROGATE.test(text) ? hash.update(NOT_UTF_8).update(text, 'utf16le') : hash.update(text)
}

/** All keys of 64 bits in this database, of whatever program. */
export const WHERE_ANY_KEY: string =
  "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 1"

/** The same number as `pg_locks` has it: in two halves. */
export function whereKey(key: bigint): string {
  return `${WHERE_ANY_KEY} AND ${isKey(key)}`
}

/** Of rows that {@link WHERE_ANY_KEY} selects. */
export function isKey(key: bigint): string {
  const [high, low] = halvesOf(key)
  return `classid = ${high} AND objid = ${low}`
}

/** The same for several keys from `first` on, which have their upper half in common. */
export function isKeyBetween(first: bigint, last: bigint): string {
  const [high, low] = halvesOf(first)
  return `classid = ${high} AND objid BETWEEN ${low} AND ${halvesOf(last)[1]}`
}

export function halvesOf(key: bigint): readonly [high: bigint, low: bigint] {
  const bits = BigInt.asUintN(64, key)
  return [bits >> 32n, bits & 0xffffffffn]
}
