// The keys by which permits are held.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_PERMITS } from '../../src/core/claim.ts'
import { firstKeyOfPermits, keyOf, KEYS_OF_PERMITS, permitKeyOf } from '../../src/engines/postgres/key.ts'
import { PermitKeys } from '../../src/engines/postgres/permit-keys.ts'

test('the first key is the beginning of SHA-256 of 0xFE, the namespace and the name, except for five bits', () => {
  // printf '\376slocket\ndeploy' | sha256sum
  assert.equal(permitKeyOf('slocket', 'deploy'), BigInt.asIntN(64, 0x722b5b5330e3fb60n))
  assert.notEqual(permitKeyOf('slocket', 'deploy'), firstKeyOfPermits(keyOf('slocket', 'deploy')))
  assert.notEqual(permitKeyOf('a', '\ud800'), permitKeyOf('a', '\udc00'))
})

test("a holder's keys contain how many permits it holds", () => {
  for (const first of [permitKeyOf('slocket', 'deploy'), -(2n ** 63n), -KEYS_OF_PERMITS, 2n ** 63n - KEYS_OF_PERMITS]) {
    const keys = new PermitKeys(first)
    for (const take of [1, 2, 3, 10, 524_288, 999_999, MAX_PERMITS]) {
      const taken = keys.taken(take)
      assert.equal(
        taken.reduce((sum, key) => sum + keys.takenBy(key), 0),
        take,
      )
      for (const key of taken) assert.equal(firstKeyOfPermits(key), first)
    }
    for (const key of [keys.gate, keys.waiting, keys.present, first + KEYS_OF_PERMITS, first - 1n])
      assert.equal(keys.takenBy(key), 0)
  }
})
