/** The number by which the server knows a lock: docs/engines/postgres.md tells how to work it out by hand. */
import { createHash } from 'node:crypto'

const LONE_SURROGATE = /\p{Surrogate}/u
/** A byte that UTF-8 never has. */
const NOT_UTF_8 = Buffer.of(0xff)

/** A signed number of 64 bits, as advisory locks have. Two names have the same one once in 2^64 pairs. */
export function keyOf(namespace: string, name: string): bigint {
  const text = `${namespace}\n${name}`
  const hash = createHash('sha256')
  // As UTF-8, all lone surrogates would be U+FFFD, and such names the same lock.
  if (LONE_SURROGATE.test(text)) hash.update(NOT_UTF_8).update(text, 'utf16le')
  else hash.update(text)
  return hash.digest().readBigInt64BE(0)
}

/** All keys of 64 bits in this database, of whatever program. */
export const WHERE_ANY_KEY: string =
  "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 1"

/** The same number as `pg_locks` has it: in two halves. */
export function whereKey(key: bigint): string {
  const bits = BigInt.asUintN(64, key)
  return `${WHERE_ANY_KEY} AND classid = ${bits >> 32n} AND objid = ${bits & 0xffffffffn}`
}
