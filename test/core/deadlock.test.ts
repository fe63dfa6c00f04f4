import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import { adviceFor, outlookOf } from '../../src/core/deadlock.ts'

const [TWO, THREE] = [permitClaim(2), permitClaim(3)]

const CASES: readonly (readonly [asked: Claim, own: readonly Claim[], outlook: string])[] = [
  [EXCLUSIVE, [], 'open'],
  [EXCLUSIVE, [EXCLUSIVE], 'never'],
  [EXCLUSIVE, [SHARED], 'never'],
  [SHARED, [], 'open'],
  [SHARED, [SHARED], 'at once or when others give up'],
  [SHARED, [SHARED, EXCLUSIVE], 'never'],
  [TWO, [], 'open'],
  [TWO, [TWO], 'open'],
  [TWO, [TWO, TWO], 'never'],
  [TWO, [THREE, THREE, THREE], 'never'],
  [THREE, [TWO, TWO], 'open'],
  [permitClaim(3, 2), [TWO], 'open'],
  [permitClaim(3, 2), [permitClaim(3, 2)], 'never'],
  // One of its own waits for another one.
  [permitClaim(9), [TWO, TWO, TWO], 'never'],
  [permitClaim(9), [permitClaim(9, 2), permitClaim(1)], 'open'],
  // Not a matter of waiting: refused as a mismatch.
  [EXCLUSIVE, [TWO], 'open'],
  [TWO, [SHARED], 'open'],
]

for (const [asked, own, outlook] of CASES) {
  test(`${JSON.stringify(asked)} beside one's own ${JSON.stringify(own)}: ${outlook}`, () => {
    assert.equal(outlookOf(asked, own), outlook)
  })
}

const ADVICE: readonly (readonly [own: readonly Claim[], timeoutMs: number | undefined, advice: string])[] = [
  [[], undefined, 'wait'],
  [[EXCLUSIVE], undefined, 'refuse'],
  [[EXCLUSIVE], 5000, 'refuse'],
  [[EXCLUSIVE], 0, 'wait'],
  [[SHARED], undefined, 'try'],
  [[SHARED], 5000, 'wait'],
  [[SHARED], 0, 'wait'],
]

for (const [own, timeoutMs, advice] of ADVICE) {
  test(`a shared request beside one's own ${JSON.stringify(own)}, with timeout ${timeoutMs}: ${advice}`, () => {
    assert.equal(adviceFor(SHARED, own, timeoutMs), advice)
  })
}
