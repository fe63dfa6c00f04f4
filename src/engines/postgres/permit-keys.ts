/**
 * The keys for the permits of a lock, besides the key that every lock has. No table keeps count: the server's own list of locks shows it.
 *
 * | key     | held by                                                        | what it is for                                                          |
 * | ------- | -------------------------------------------------------------- | ----------------------------------------------------------------------- |
 * | present | shared: all that hold permits, or wait for them                | exclusive and shared requests see by it that permits are in use         |
 * | gate    | exclusively: the request that is next; the others wait for it  | the server's own queue for it is the order of coming                    |
 * | waiting | exclusively: the request that has the gate, and found no room  | a release wakes it; a try is refused                                    |
 * | taken   | shared: all that hold permits                                  | twenty keys, one for each power of two: those in `take` are held        |
 *
 *  1. Only the request that has the gate takes permits. So what it has counted as taken only shrinks until it takes its own, and nobody overtakes it.
 *  2. Every session that uses permits also has the lock's own key, shared: that keeps out all exclusive holders. It takes `present` before that key, and releases it after.
 *  3. A shared holder has looked at `present` after it had the lock's own key, a permit's holder at that key after it had `present`: one of them sees the other.
 *  4. As long as others hold permits, a session with the lock's own key but without `present` does not hold, and won't: it came later, and sees `present`. So
 *     it is ignored: a shared request that is about to be refused has no request for permits refused.
 */
import type { PermitClaim } from '../../core/claim.ts'
import { isKey, isKeyBetween, KEYS_OF_PERMITS, whereKey, WHERE_ANY_KEY } from './key.ts'

/** In place of a token: the lock is in use by claims that do not match. */
export const MIXED = 'mixed'
/** In place of a token: it may be that permits are in use. */
export const UNSURE = 'unsure'

/** Permits are at most a million (`MAX_PERMITS`), which is less than 2^20. */
const BITS = 20
const GATE = 0n
const WAITING = 1n
const PRESENT = 2n
const TAKEN = 3n

/** Much longer than a session takes to release what it holds. */
const PAUSE_SECONDS = 0.1

const SHARE_LOCK = "mode = 'ShareLock'"

/** @param first as `permitKeyOf` gives it. */
export class PermitKeys {
  readonly gate: bigint
  readonly waiting: bigint
  readonly present: bigint
  readonly #first: bigint

  constructor(first: bigint) {
    this.#first = first
    this.gate = first + GATE
    this.waiting = first + WAITING
    this.present = first + PRESENT
  }

  /** The keys that a holder of so many permits has. */
  taken(take: number): bigint[] {
    const keys: bigint[] = []
    for (let bit = 0; bit < BITS; bit += 1) if ((take >> bit) % 2 === 1) keys.push(this.#first + TAKEN + BigInt(bit))
    return keys
  }

  /** How many permits a holder of `key` has by that. */
  takenBy(key: bigint): number {
    const bit = Number(key - this.#first - TAKEN)
    return bit >= 0 && bit < BITS ? 2 ** bit : 0
  }

  /** A condition on rows of `pg_locks`: all of these keys, and the lock's own. */
  whereAny(key: bigint): string {
    return `${WHERE_ANY_KEY} AND (${isKey(key)} OR ${isKeyBetween(this.#first, this.#first + KEYS_OF_PERMITS - 1n)})`
  }

  /** A condition: whether permits are in use. */
  areInUse(): string {
    return `EXISTS (SELECT FROM pg_locks WHERE ${whereKey(this.present)} AND granted AND ${SHARE_LOCK})`
  }

  /**
   * A condition that a session knows without a look at all locks of the server: false only if permits are in use, or another session asks the same at that moment.
   * It must not be cut short in a transaction: the session would keep the key.
   */
  areSurelyUnused(): string {
    return `CASE WHEN pg_try_advisory_lock(${this.present}) THEN pg_advisory_unlock(${this.present}) ELSE false END`
  }

  /**
   * An expression for the request that has the gate, at its first look: as {@link look}, or `mixed` if others have the lock's own key and nobody has permits. Later requests
   * refuse themselves. That has to be seen twice: a session that ends, or releases all at once, releases its keys one by one, in any order.
   */
  firstLook(claim: PermitClaim, key: bigint): string {
    const isMixed = 'bool_or(has_own AND NOT has_present) AND NOT bool_or(has_present AND taken > 0)'
    const once = this.#count(claim, key, `WHEN ${isMixed} THEN '${MIXED}'`)
    return `coalesce(nullif(${once}, '${MIXED}'), CASE WHEN pg_sleep(${PAUSE_SECONDS})::text = '' THEN ${once} END)`
  }

  /** The same later: `room` if there is room for `claim` beside what is taken, otherwise `full`. */
  look(claim: PermitClaim, key: bigint): string {
    return this.#count(claim, key, '')
  }

  /** The server shows all locks as they are at one moment (`GetLockStatusData` in src/backend/storage/lmgr/lock.c). */
  #count({ permits, take }: PermitClaim, key: bigint, before: string): string {
    const first = this.#first + TAKEN
    const isTaken = isKeyBetween(first, first + BigInt(BITS - 1))
    return `(SELECT CASE ${before} WHEN coalesce(sum(taken), 0) > ${permits - take} THEN 'full' ELSE 'room' END
      FROM (SELECT bool_or(${isKey(key)}) AS has_own, bool_or(${isKey(this.present)}) AS has_present,
          sum(CASE WHEN ${isTaken} THEN 1 << (objid::bigint - ${BigInt.asUintN(32, first)})::int ELSE 0 END) AS taken
        FROM pg_locks WHERE ${this.whereAny(key)} AND granted GROUP BY pid) AS sessions)`
  }
}
