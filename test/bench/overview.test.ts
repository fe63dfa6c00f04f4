import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './bench.ts'
import type { Overviews } from './bench.ts'

const { COLUMNS, overview } = await load<Overviews>('overview.js')

const RESULTS = {
  cases: {
    hot: {
      disk: { slocket: [{ metrics: { time: 20 } }, { metrics: { time: 40 } }, null], lockfile: [{ error: 'crashed' }] },
    },
    command: { command: { flock: [{ metrics: { time: 4 } }] } },
  },
}
const ENGINES = {
  cases: {
    'cycle, redis': [
      { contestant: 'redis-semaphore', 'p50 ms': 9 },
      { contestant: 'redlock', 'p50 ms': 0.5 },
    ],
    'hand-off, redis, 8 processes': [{ contestant: 'redlock', 'hand-offs/s': 300, 'other process next': 0.5 }],
  },
}

function valuesOf(title: string, engines?: object): Record<string, number> | undefined {
  const row = overview(RESULTS, engines).find((each) => each.title.startsWith(title))
  if (row === undefined) return undefined
  const entries = COLUMNS.map(({ title: column }, index) => [column, row.values[index]?.median] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => entry[1] !== undefined))
}

test('the overview has the median of each measured number', () => {
  assert.deepEqual(valuesOf('slocket'), { 'acquire and release, no contention': 30 })
  assert.deepEqual(valuesOf('flock(1)'), { 'a command under the lock': 4 })
})

test('the overview leaves out a contestant without any number', () => {
  assert.equal(valuesOf('lockfile'), undefined)
  assert.equal(valuesOf('redlock'), undefined)
})

test("the overview takes redlock's numbers from the bench of the engines: all grants per second, and µs if the others have µs", () => {
  assert.deepEqual(valuesOf('redlock', ENGINES), {
    'acquire and release, no contention': 500,
    '8 processes: operations a second': 600,
  })
})
