import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './bench.ts'
import type { Names, Run, Statistics, Summaries } from './bench.ts'

const { gaps, jain, median, pairedRatios, quantile, spread } = await load<Statistics>('statistics.js')
const { judge, ratio } = await load<Summaries>('summary.js')
const { number } = await load<Names>('names.js')

test('a median is the middle value, or between the two middle values', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([10, 1, 2, 3]), 2.5)
  assert.ok(Number.isNaN(median([])))
})

test('numbers are sorted numerically', () => {
  assert.equal(median([100, 9, 20]), 20)
})

test('quantiles range from the least to the greatest', () => {
  const hundred = Array.from({ length: 101 }, (_, index) => 100 - index)
  assert.equal(quantile(hundred, 0), 0)
  assert.equal(quantile(hundred, 0.99), 99)
  assert.equal(quantile(hundred, 1), 100)
  assert.equal(quantile([0, 10], 0.25), 2.5)
  assert.deepEqual(spread([2, 1, 9]), { median: 2, min: 1, max: 9, count: 3 })
})

test("Jain's index is 1 among equals, and 1/n if one has everything", () => {
  assert.equal(jain([5, 5, 5, 5]), 1)
  assert.equal(jain([8, 0, 0, 0]), 0.25)
  assert.equal(jain([3, 1]), 0.8)
})

test('ratios are made within each repetition', () => {
  assert.deepEqual(pairedRatios([1, 10, 3], [2, 10, Number.NaN]), [0.5, 1])
})

test('a gap is the time from a release to the next grant, whoever gets it', () => {
  assert.deepEqual(gaps([30, 10], [11, 5, 32]), [1, 2])
  assert.deepEqual(gaps([10, 20], [5, 12]), [2], 'nobody was granted after the last release')
  assert.deepEqual(gaps([], [5]), [])
})

test('a grant before the release means two holders at the same time', () => {
  assert.throws(() => gaps([10, 20], [5, 9]), /two held/)
})

test('a repetition in which one of two failed counts for neither', () => {
  const time = (value: number): Run => ({ metrics: { time: value } })
  const contestants = { slocket: [time(1), time(2), time(3)], rival: [time(2), { error: 'crashed' }, null] }
  assert.deepEqual(ratio(contestants, 'time', 'slocket', 'rival'), { median: 0.5, min: 0.5, max: 0.5, count: 1 })
  assert.equal(ratio(contestants, 'time', 'slocket', 'nobody'), undefined)
})

test('a target is met at its limit, missed beyond it, and unknown if not measured', () => {
  const results = { cases: { hot: { disk: { slocket: [{ metrics: { time: 3 } }], rival: [{ error: 'crashed' }] } } } }
  const target = { case: 'hot', point: 'disk', metric: 'time' }
  const judged = judge(
    [
      { ...target, most: 3 },
      { ...target, most: 2.9 },
      { ...target, least: 3 },
      { ...target, least: 3.1 },
      { ...target, most: 1, over: 'rival' },
      { ...target, case: 'not run', most: 1 },
    ],
    [{ name: 'hot' }],
    results,
  )
  assert.deepEqual(
    judged.map(({ isMet }) => isMet),
    [true, false, true, false, undefined],
  )
})

test('a target is missed if its contestant failed, and has a number if only some repetitions failed', () => {
  const failed: Run = { error: 'crashed' }
  const results = { cases: { hot: { disk: { slocket: [failed, null], rival: [failed, { metrics: { time: 3 } }] } } } }
  const target = { case: 'hot', point: 'disk', metric: 'time', most: 3 }
  const judged = judge(
    [target, { ...target, of: 'rival' }, { ...target, of: 'rival', over: 'slocket' }],
    [{ name: 'hot' }],
    results,
  )
  assert.deepEqual(
    judged.map(({ reached, isMet }) => [reached?.median, isMet]),
    [
      [undefined, false],
      [3, true],
      [undefined, false],
    ],
  )
})

test("a target may be another contestant's, or a ratio to its own numbers at another point", () => {
  const time = (value: number): Run[] => [{ metrics: { time: value } }]
  const results = {
    cases: { waiting: { 10: { slocket: time(2), slice: time(4) }, 1000: { slocket: time(5), slice: time(6) } } },
  }
  const target = { case: 'waiting', point: '1000', metric: 'time' }
  const judged = judge(
    [
      { ...target, overPoint: '10', most: 2 },
      { ...target, overPoint: '10', of: 'slice', most: 2 },
      { ...target, of: 'slice', over: 'slocket', most: 1 },
      { ...target, of: 'missing', most: 1 },
      { ...target, overPoint: '100', most: 1 },
    ],
    [{ name: 'waiting' }],
    results,
  )
  assert.deepEqual(
    judged.map(({ reached, isMet }) => [reached?.median, isMet]),
    [
      [2.5, false],
      [1.5, true],
      [1.2, false],
      [undefined, undefined],
      [undefined, undefined],
    ],
  )
})

test('numbers are shown with three significant digits', () => {
  assert.deepEqual([0, 0.01234, 1, 12.345, 123.4, 1234.5, 1_234_567, -2.345].map(number), [
    '0',
    '0.0123',
    '1',
    '12.3',
    '123',
    '1,235',
    '1,234,567',
    '-2.35',
  ])
})
