/** Computes the number under which the server has a lock. docs/engines/postgres.md shows how to compute it by hand. */
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'

const LONE_SURROGATE = /\p{Surrogate}/u
/** Bytes that UTF-8 never has. */
const NOT_UTF_8 = Buffer.of(0xff)
const OF_PERMITS = Buffer.of(0xfe)

/** How many keys begin at {@link permitKeyOf}. A power of two. */
export const KEYS_OF_PERMITS = 32n

/** Returns a signed 64-bit number, as advisory locks have. The chance that two names have the same number is 1 in 2^64. */
export function keyOf(namespace: string, name: string): bigint {
  return withText(createHash('sha256'), namespace, name).digest().readBigInt64BE(0)
}

/** Returns the first of the keys for a lock's permits (permit-keys.ts), a multiple of their number. The chance that two names have the same keys is 1 in 2^59. */
export function permitKeyOf(namespace: string, name: string): bigint {
  const hash = withText(createHash('sha256').update(OF_PERMITS), namespace, name)
  return firstKeyOfPermits(hash.digest().readBigInt64BE(0))
}

/** Returns the first key of the group of permit keys that `key` would belong to. */
export function firstKeyOfPermits(key: bigint): bigint {
  return BigInt.asIntN(64, key & ~(KEYS_OF_PERMITS - 1n))
}

function withText(hash: Hash, namespace: string, name: string): Hash {
  const text = `${namespace}\n${name}`
  // In UTF-8, every lone surrogate would become U+FFFD, and different names would mean the same lock.
  return LONE_SURROGATE.test(text) ? hash.update(NOT_UTF_8).update(text, 'utf16le') : hash.update(text)
}

/** Selects all 64-bit keys in this database, of all programs. */
export const WHERE_ANY_KEY: string =
  "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 1"

/** Selects one key. `pg_locks` shows it in two halves. */
export function whereKey(key: bigint): string {
  return `${WHERE_ANY_KEY} AND ${isKey(key)}`
}

/** For rows that {@link WHERE_ANY_KEY} selects. */
export function isKey(key: bigint): string {
  const [high, low] = halvesOf(key)
  return `classid = ${high} AND objid = ${low}`
}

/** As {@link isKey}, for the keys from `first` to `last`. They must have the same upper half. */
export function isKeyBetween(first: bigint, last: bigint): string {
  const [high, low] = halvesOf(first)
  return `classid = ${high} AND objid BETWEEN ${low} AND ${halvesOf(last)[1]}`
}

export function halvesOf(key: bigint): readonly [high: bigint, low: bigint] {
  const bits = BigInt.asUintN(64, key)
  return [bits >> 32n, bits & 0xffffffffn]
}
