/** The number by which the server knows a lock: docs/engines/postgres.md tells how to work it out by hand. */
import { createHash } from 'node:crypto'

/** A signed number of 64 bits, as advisory locks have. Two names have the same one once in 2^64 pairs. */
export function keyOf(namespace: string, name: string): bigint {
  return createHash('sha256').update(`${namespace}\n${name}`).digest().readBigInt64BE(0)
}

/** The same number as `pg_locks` has it: in two halves. */
export function whereKey(key: bigint): string {
  const bits = BigInt.asUintN(64, key)
  const database = '(SELECT oid FROM pg_database WHERE datname = current_database())'
  return `locktype = 'advisory' AND database = ${database} AND classid = ${bits >> 32n} AND objid = ${bits & 0xffffffffn} AND objsubid = 1`
}
