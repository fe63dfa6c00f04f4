import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { RetryOptions } from '../../src/compat/retries.ts'
import { waitOf } from '../../src/compat/retries.ts'

const MOST_MS = 2 ** 31 - 1

const CASES: readonly (readonly [retries: number | RetryOptions | number[] | undefined, ms: number | undefined])[] = [
  [undefined, 0],
  [0, 0],
  [-1, 0],
  [NaN, 0],
  [1, 1000],
  [5, 31_000],
  [10, 1_023_000],
  [40, MOST_MS],
  // An object says 10 unless it says otherwise.
  [{}, 1_023_000],
  [{ retries: 0 }, 0],
  [{ retries: 5, maxTimeout: 1000 }, 5000],
  [{ retries: 3, minTimeout: 10 }, 70],
  [{ retries: 3, minTimeout: 10, factor: 1 }, 30],
  [{ retries: 3, minTimeout: 10, factor: 3 }, 130],
  [{ retries: 4, minTimeout: 10, factor: 1.15, maxTimeout: 12 }, 46],
  [{ retries: 3, minTimeout: 0 }, 0],
  [{ retries: 1e9, minTimeout: 1, factor: 1 }, 100_000],
  [{ forever: true }, undefined],
  [{ forever: true, retries: 2 }, undefined],
  [{ forever: true, maxRetryTime: 5000 }, 5000],
  // It tries at 0, 10, 20 and 30 ms, and not again.
  [{ retries: 9, minTimeout: 10, factor: 1, maxRetryTime: 25 }, 30],
  [{ retries: 9, minTimeout: 10, factor: 1, maxRetryTime: 30 }, 30],
  [{ retries: 2, minTimeout: 10, factor: 1, maxRetryTime: 1000 }, 20],
  // Smallest first, however they grow.
  [{ retries: 3, minTimeout: 40, factor: 0.5, maxRetryTime: 15 }, 30],
  [[5, 10, 15], 30],
]

describe('the total wait of retries', () => {
  for (const [retries, ms] of CASES) {
    test(`${JSON.stringify(retries)}: ${ms} ms`, () => assert.equal(waitOf(retries as RetryOptions), ms))
  }

  test('randomize makes each timeout longer, at most twice as long', () => {
    const waits = new Set<number | undefined>()
    for (let round = 0; round < 100; round += 1) {
      const ms = waitOf({ retries: 3, minTimeout: 1000, randomize: true })
      assert.ok(ms! >= 7000 && ms! <= 14_000, String(ms))
      waits.add(ms)
    }
    assert.ok(waits.size > 1)
  })

  test('a minTimeout above maxTimeout is an error', () => {
    assert.throws(() => waitOf({ minTimeout: 10, maxTimeout: 5 }), /minTimeout is greater than maxTimeout/)
  })
})
