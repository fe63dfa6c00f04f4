import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCLUSIVE, SHARED } from '../../src/core/claim.ts'
import type { Claim } from '../../src/core/claim.ts'
import type { Requester } from '../../src/requests/engine.ts'
import { snapshotOf } from '../../src/requests/snapshot.ts'

/** More than a call can have arguments. */
const MANY = 200_000
const REQUESTERS: readonly Requester[] = Array.from(
  { length: MANY },
  (_, index) => ({ label: String(index) }) as Requester,
)

function countsOf(...claims: readonly Claim[]): readonly [held: number, pending: number] {
  const listing = claims.map((claim, index) => ({ id: String(index), claim, live: true, joining: false }))
  const { held, pending } = snapshotOf(listing, () => REQUESTERS)
  return [held.length, pending.length]
}

test('however many requests a ticket stands for, a snapshot has all of them', () => {
  assert.deepEqual(countsOf(EXCLUSIVE, EXCLUSIVE), [1, 2 * MANY - 1])
  assert.deepEqual(countsOf(SHARED, EXCLUSIVE), [MANY, MANY])
})
