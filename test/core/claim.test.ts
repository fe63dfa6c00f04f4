import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Claim } from '../../src/core/claim.ts'
import {
  covers,
  describeClaim,
  doMatch,
  formatPermits,
  isSameClaim,
  MAX_PERMITS,
  parsePermits,
  permitClaim,
  PERMITS_PATTERN,
} from '../../src/core/claim.ts'
import { CLAIMS } from './queues.ts'

const all = Object.values(CLAIMS)

describe('claim', () => {
  test('a claim equals only itself', () => {
    for (const [index, a] of all.entries()) {
      for (const [other, b] of all.entries()) assert.equal(isSameClaim(a, { ...b }), index === other)
    }
  })

  test('exclusive and shared claims match; permits match only permits', () => {
    for (const a of all) {
      for (const b of all) {
        const isOne = (a.kind === 'permit') === (b.kind === 'permit')
        assert.equal(doMatch(a, b), isOne)
        assert.equal(doMatch(b, a), isOne)
      }
    }
  })

  test('an exclusive claim covers itself and a shared one, a shared one only itself', () => {
    for (const held of all.filter(({ kind }) => kind !== 'permit')) {
      for (const asked of all) {
        const isReader = held.kind === 'exclusive' && asked.kind === 'shared'
        assert.equal(covers(held, asked), isSameClaim(held, asked) || isReader)
      }
    }
  })

  test('permits cover claims that take no more of them and allow as many', () => {
    const covered = (held: Claim): string =>
      Object.keys(CLAIMS)
        .filter((name) => covers(held, CLAIMS[name]!))
        .join('')
    assert.deepEqual(
      [...'123tuv'].map((name) => covered(CLAIMS[name]!)),
      ['123', '23', '3', '23tu', '3u', '3uv'],
    )
  })

  test('each is described in words', () => {
    assert.deepEqual(all.map(describeClaim).sort(), [
      'exclusive',
      'permits: 1',
      'permits: 2',
      'permits: 2, take: 2',
      'permits: 3',
      'permits: 3, take: 2',
      'permits: 3, take: 3',
      'shared',
    ])
  })

  test('permits are parsed from their own text, and from no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX_PERMITS }), fc.nat(), (permits, some) => {
        const claim = permitClaim(permits, 1 + (some % permits))
        assert.deepEqual(parsePermits(formatPermits(claim)), claim)
        assert.match(formatPermits(claim), new RegExp(`^${PERMITS_PATTERN}$`))
      }),
    )
    // As versions before `take` have written it.
    assert.equal(formatPermits(permitClaim(10)), 'p10')
    for (const text of ['', 'p', 'p0', 'p1000001', 'p10.1', 'p10.0', 'p10.11', 'p10.03', 'p10.', 'p.3', 'p10.3.1', 'x'])
      assert.equal(parsePermits(text), undefined, text)
  })
})
