// The plots of the engines, from what `npm run bench:engines -- --json` has written.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { EnginePlots } from './bench.ts'
import { load } from './bench.ts'

const { drawEnginePlots } = await load<EnginePlots>('plots.js')
const row = { requests: 10_000, clients: 100, 'acquire, s': 5.25, 'release, s': 'included', 'client MB more': 12 }

function drawn(cases: object): Map<string, string> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'slocket-plots-'))
  try {
    drawEnginePlots({ cases }, directory)
    return new Map(fs.readdirSync(directory).map((file) => [file, fs.readFileSync(join(directory, file), 'utf8')]))
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}

test('each measured engine has a bar; a value that is not a number has none', () => {
  const plots = drawn({ 'many, etcd': [row], 'many, redis': [{ ...row, 'acquire, s': 2 }] })
  assert.deepEqual([...plots.keys()].sort(), ['engines-scale-memory.svg', 'engines-scale-time.svg'])
  const time = plots.get('engines-scale-time.svg')!
  assert.match(time, /10,000 locks of 100 clients: acquire/)
  assert.doesNotMatch(time, /release/)
  assert.equal(time.match(/<rect /g)!.length, 2)
  assert.ok(time.includes('>etcd<') && time.includes('>Redis<') && !time.includes('>PostgreSQL<'))
})

test('without results there is no plot', () => {
  assert.equal(drawn({}).size, 0)
})
