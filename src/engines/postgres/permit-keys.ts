/**
 * The keys for the permits of a lock, besides the key that every lock has. There is no table with a count: the server's own list of locks shows it.
 *
 * | key     | held by                                                              | purpose                                                       |
 * | ------- | -------------------------------------------------------------------- | ------------------------------------------------------------- |
 * | present | shared: all sessions that hold permits or wait for them              | shows exclusive and shared requests that permits are in use   |
 * | gate    | exclusively: the next request; the other requests wait for it        | the server's own queue for it is the order of arrival         |
 * | waiting | exclusively: the request that has the gate and found no room         | shows a release that it must wake it, and a try that it fails |
 * | taken   | shared: all sessions that hold permits                               | twenty keys, one for each power of two: those in `take`       |
 *
 *  1. Only the request that has the gate takes permits. So the number that it has counted as taken can only shrink until it takes its own, and nobody overtakes it.
 *  2. Every session that uses permits also has the lock's own key, shared, which keeps all exclusive holders out. It takes `present` before that key, and releases `present` after it.
 *  3. A shared holder takes the lock's own key and then looks at `present`. A session that uses permits takes `present` and then looks at the lock's own key. So one of them sees the other.
 *  4. While others hold permits, a session that has the lock's own key but not `present` doesn't hold the lock, and won't: it came later, and sees `present`. So it is
 *     ignored. Otherwise a shared request that is about to be rejected would cause requests for permits to be rejected.
 */
import type { PermitClaim } from '../../core/claim.ts'
import { isKey, isKeyBetween, KEYS_OF_PERMITS, whereKey, WHERE_ANY_KEY } from './key.ts'

/** Returned instead of a token: the lock is in use by claims that don't match. */
export const MIXED = 'mixed'
/** Returned instead of a token: permits may be in use. */
export const UNSURE = 'unsure'

/** Permits are at most a million (`MAX_PERMITS`), which is less than 2^20. */
const BITS = 20
const GATE = 0n
const WAITING = 1n
const PRESENT = 2n
const TAKEN = 3n

/** Much longer than a session takes to release everything it holds. */
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

  /** Returns the keys that a holder of `take` permits has. */
  taken(take: number): bigint[] {
    const keys: bigint[] = []
    for (let bit = 0; bit < BITS; bit += 1) if ((take >> bit) % 2 === 1) keys.push(this.#first + TAKEN + BigInt(bit))
    return keys
  }

  /** Returns how many permits `key` stands for. */
  takenBy(key: bigint): number {
    const bit = Number(key - this.#first - TAKEN)
    return bit >= 0 && bit < BITS ? 2 ** bit : 0
  }

  /** A condition on rows of `pg_locks`: any of these keys, or the lock's own. */
  whereAny(key: bigint): string {
    return `${WHERE_ANY_KEY} AND (${isKey(key)} OR ${isKeyBetween(this.#first, this.#first + KEYS_OF_PERMITS - 1n)})`
  }

  /** A condition: whether permits are in use. */
  areInUse(): string {
    return `EXISTS (SELECT FROM pg_locks WHERE ${whereKey(this.present)} AND granted AND ${SHARE_LOCK})`
  }

  /**
   * A condition that needs no look at all locks of the server. It is false only if permits are in use, or if another session evaluates it at that moment.
   * Not for transactions: if the transaction failed in the middle, the session would keep the key.
   */
  areSurelyUnused(): string {
    return `CASE WHEN pg_try_advisory_lock(${this.present}) THEN pg_advisory_unlock(${this.present}) ELSE false END`
  }

  /**
   * An expression for the first look of the request that has the gate: as {@link look}, or `mixed` if other sessions have the lock's own key and none has permits. (Later
   * requests see that permits are in use, and fail.) It has to be seen twice, because a session that ends, or releases everything, releases its keys one by one, in any order.
   */
  firstLook(claim: PermitClaim, key: bigint): string {
    const isMixed = 'bool_or(has_own AND NOT has_present) AND NOT bool_or(has_present AND taken > 0)'
    const once = this.#count(claim, key, `WHEN ${isMixed} THEN '${MIXED}'`)
    return `coalesce(nullif(${once}, '${MIXED}'), CASE WHEN pg_sleep(${PAUSE_SECONDS})::text = '' THEN ${once} END)`
  }

  /** An expression for all later looks: `room` if there is room for `claim` beside what is taken, otherwise `full`. */
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
