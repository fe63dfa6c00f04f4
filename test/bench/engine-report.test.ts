// The tables of the engines in docs/performance-engines.md.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineReports } from './bench.ts'
import { load } from './bench.ts'

const { fillTables } = await load<EngineReports>('engine-report.js')
const END = '<!-- the end of these results -->'

test('a table is rewritten from its cases; a table that was not measured stays', () => {
  const text = `A\n\n<!-- results: many, etcd; many, redis -->\n\nold\n\n${END}\n\nB\n\n<!-- results: cycle, etcd -->\n\nkept\n\n${END}\n`
  const cases = { 'many, redis': [{ contestant: 'ours', ms: 1.234, lost: 0 }] }
  const table = '| server | contestant | ms | lost |\n| --- | --- | --- | --- |\n| redis | ours | 1.23 | 0 |'
  assert.equal(fillTables(text, { cases }), text.replace('old', table))
  assert.equal(fillTables(text, { cases: {} }), text)
})

test('cases with different numbers of processes have a column for each', () => {
  const text = `<!-- results: plot a.svg; hand-off, redis, 2 processes; hand-off, redis, 8 processes -->\n\n${END}`
  const row = { contestant: 'ours', 'p50 ms': 150.4 }
  const cases = { 'hand-off, redis, 2 processes': [row], 'hand-off, redis, 8 processes': [row] }
  const written = fillTables(text, { cases })
  assert.ok(written.includes('](performance/a.svg)\n\n| server |'))
  assert.match(written, /\| redis \| 2 \| ours \| 150 \|\n\| redis \| 8 \| ours \| 150 \|/)
})
