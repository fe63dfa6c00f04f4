import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import type { AcquireRequest } from '../../src/requests/engine.ts'
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import { Request } from '../../src/requests/request.ts'
import { blockerOf } from '../../src/requests/self-wait.ts'

const TWO = permitClaim(2)

function request(claim: Claim, onSelfWait?: AcquireRequest['onSelfWait']): Request {
  return new Request({ claim, wait: true, lingerMs: 0, onSelfWait }, { onGrant: () => {}, onError: assert.fail })
}

/** Has been granted, after a wait. */
function holder(claim: Claim): Request {
  const granted = request(claim)
  granted.grant({ token: 1n, recovered: false }, true)
  return granted
}

describe('the blocker of a request for all its wait', () => {
  test('is a holder that was granted before the request', () => {
    for (const [held, asked] of [
      [EXCLUSIVE, EXCLUSIVE],
      [SHARED, EXCLUSIVE],
      [EXCLUSIVE, SHARED],
      [SHARED, SHARED],
    ] as const) {
      const before = holder(held)
      assert.equal(blockerOf(request(asked), [before, holder(held)]), before)
    }
  })

  test('is not a holder that was granted later', () => {
    const asked = request(EXCLUSIVE)
    assert.equal(blockerOf(asked, [holder(EXCLUSIVE)]), undefined)
    assert.equal(blockerOf(asked, []), undefined)
    // It had asked before, and was granted after.
    const other = request(EXCLUSIVE)
    const later = request(EXCLUSIVE)
    other.grant({ token: 1n, recovered: false }, true)
    assert.equal(blockerOf(later, [other]), undefined)
  })

  test('is not a holder of permits if others hold some of them', () => {
    const before = [holder(TWO), holder(TWO)]
    const asked = request(TWO)
    assert.equal(blockerOf(asked, before), before[0])
    assert.equal(blockerOf(asked, [before[0]!, holder(TWO)]), undefined)
  })
})

test('is reported once', () => {
  const told = mock.fn()
  const asked = request(EXCLUSIVE, told)
  const before = holder(EXCLUSIVE)
  asked.noticeSelfWait(undefined)
  asked.noticeSelfWait(before)
  asked.noticeSelfWait(before)
  assert.deepEqual(
    told.mock.calls.map(({ arguments: [blocker] }) => blocker as unknown),
    [before],
  )
  assert.equal(asked.noticesSelfWait, false)
})
