import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers, describeClaim, isSameClaim, doMatch } from '../../src/core/claim.ts'
import { CLAIMS } from './queues.ts'

const all = Object.values(CLAIMS)

describe('claim', () => {
  test('a claim is the same only as itself', () => {
    for (const [index, a] of all.entries()) {
      for (const [other, b] of all.entries()) assert.equal(isSameClaim(a, { ...b }), index === other)
    }
  })

  test('exclusive and shared claims match, and permits of the same number', () => {
    for (const a of all) {
      for (const b of all) {
        const isOne = a.kind === 'permit' || b.kind === 'permit' ? isSameClaim(a, b) : true
        assert.equal(doMatch(a, b), isOne)
        assert.equal(doMatch(b, a), isOne)
      }
    }
  })

  test('an exclusive claim covers itself and a shared one; the others cover only themselves', () => {
    for (const held of all) {
      for (const asked of all) {
        const isReader = held.kind === 'exclusive' && asked.kind === 'shared'
        assert.equal(covers(held, asked), isSameClaim(held, asked) || isReader)
      }
    }
  })

  test('each is described in words', () => {
    assert.deepEqual(all.map(describeClaim).sort(), ['exclusive', 'permits: 1', 'permits: 2', 'permits: 3', 'shared'])
  })
})
