import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './bench.ts'
import type { Cases, Reports } from './bench.ts'

const { report } = await load<Reports>('report.js')

const { CASES } = await load<Cases>('cases/index.js')

/** What was measured under one version of Node. */
function resultsOf(node: string, p50: number): object {
  return {
    date: '2026-01-01',
    commit: 'abc',
    repeat: 1,
    packages: {},
    fileSystems: { disk: { type: 'ext4' } },
    machine: { cpu: 'CPU', cores: 2, memoryGiB: 1, kernel: 'Linux', arch: 'x64', node, descriptors: 1 },
    cases: { takeover: { all: { slocket: [{ metrics: { p50, p99: p50 + 1, samples: [p50 - 1, p50 + 1] } }] } } },
  }
}

test('a report begins with the overview, then the targets, then the tables', () => {
  const text = report(CASES, resultsOf('v20.1.0', 2))
  const places = ['from kill -9', '## Targets', '### From kill -9'].map((part) => text.indexOf(part))
  assert.ok(
    places.every((place) => place >= 0),
    text,
  )
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  )
})

test('each version of Node has its own column beside the targets', () => {
  const text = report(CASES, resultsOf('v20.1.0', 2), { others: [resultsOf('v24.1.0', 5)] })
  assert.match(text, /\| Node 20\.1\.0 +\| +\| Node 24\.1\.0 +\| +\|/)
  assert.match(text, /\| takeover +\| p50, ms +\| at most 3 +\| 2 +\| met +\| 5 +\| \*\*missed\*\* \|/)
  assert.match(text, /\| takeover +\| p99, ms +\| at most 10 +\| 2\.98 +\| met +\| 5\.98 +\| met +\|/)
})

test('a target is unknown for a version of Node that was not measured', () => {
  const other = { ...resultsOf('v24.1.0', 5), cases: {} }
  assert.match(
    report(CASES, resultsOf('v20.1.0', 2), { others: [other] }),
    /\| p50, ms .*\| met +\| - +\| not known \|/,
  )
})
