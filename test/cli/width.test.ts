/** Output fits the terminal: the line about a wait, and the table of `slocket status`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toTable } from '../../src/cli/status-table.ts'
import type { LockStatus, Row } from '../../src/cli/status-look.ts'
import { describeWait } from '../../src/cli/wait-line.ts'
import { cutEnd, cutStart, widthOf } from '../../src/cli/width.ts'
import type { LockRequest } from '../../src/slocket.ts'

const LONG = `node ${'x'.repeat(300)}.js`

describe('a text', () => {
  test('that is cut keeps its beginning, or its end', () => {
    assert.deepEqual([cutEnd('deploy.lock', 6), cutStart('deploy.lock', 6)], ['deplo…', '….lock'])
    assert.deepEqual([cutEnd('fits', 4), cutStart('fits', 4), cutEnd('fits', 0)], ['fits', 'fits', ''])
  })

  test('takes two columns for a wide character, and none for a combining accent', () => {
    assert.deepEqual(['錠', '🔒', 'e\u{301}', 'ß'].map(widthOf), [2, 2, 1, 1])
    assert.deepEqual([cutEnd('錠錠錠', 4), cutStart('a錠錠', 4)], ['錠…', '…錠'])
  })
})

describe('the line about a wait', () => {
  const holder = { mode: 'exclusive', pid: 4_194_304, since: new Date(Date.now() - 190_000), self: false } as const
  const waiting = (self: boolean): LockRequest => ({ mode: 'exclusive', pid: 1, self })
  const pending = [...Array.from({ length: 12 }, () => waiting(false)), waiting(true)]

  for (const columns of [79, 99, 199]) {
    test(`fits ${columns} columns, and has the place in the queue`, () => {
      for (const [path, command, label] of [
        ['deploy.lock', LONG, undefined],
        ['deploy.lock', LONG, 'nightly'],
        [`/srv/${'d'.repeat(200)}/deploy.lock`, LONG, 'nightly'],
        [`錠前/${'鍵'.repeat(50)}`, '錠'.repeat(200), undefined],
      ] as const) {
        const known = { ...holder, command, ...(label === undefined ? {} : { label }) }
        const line = describeWait(path, { held: [known, holder], pending }, columns)
        assert.ok(widthOf(line) <= columns, line)
        assert.match(line, /^slocket: waiting for '.+', held by pid 4194304.*; 12 waiting ahead$/u)
      }
    })
  }

  test('fits the narrowest terminals', () => {
    for (const columns of [20, 30, 40, 60]) {
      const line = describeWait('deploy.lock', { held: [{ ...holder, command: LONG }], pending }, columns)
      assert.ok(widthOf(line) <= columns, line)
      assert.match(line, /; 12 waiting ahead$/)
    }
    const line = describeWait('deploy.lock', { held: [{ ...holder, command: LONG }], pending: [waiting(true)] }, 79)
    assert.equal(line, "slocket: waiting for 'deploy.lock', held by pid 4194304; next in line")
  })

  test('shows everything if there is room', () => {
    const line = describeWait(
      'L',
      { held: [{ ...holder, command: 'make deploy', label: 'a' }], pending: [waiting(true)] },
      100,
    )
    assert.equal(line, "slocket: waiting for 'L', held by pid 4194304 (a: make deploy) for 3 min 10 s; next in line")
  })
})

describe('the table', () => {
  const row = (state: Row['state'], more: Partial<Row> = {}): Row => ({
    state,
    mode: 'exclusive',
    pid: 4_194_304,
    since: new Date(Date.now() - 190_000),
    command: LONG,
    answers: true,
    owners: [],
    ...more,
  })
  const lock = (name: string, root?: string): LockStatus => ({
    lock: name,
    root,
    rows: [row('holds', { label: 'the nightly build of everything' }), row('waits')],
    obstacle: undefined,
    error: undefined,
  })

  test('fits 80 columns: state, process and duration are whole, and a path keeps its end', () => {
    const table = toTable([lock(`/srv/${'d'.repeat(90)}/deploy.lock`)], 80)
    const [head, holds, waits] = table.trimEnd().split('\n')
    for (const line of [head, holds, waits]) assert.ok(widthOf(line!) <= 80, line)
    assert.match(head!, /^LOCK +STATE +MODE +PID +FOR +LABEL +COMMAND$/)
    assert.match(holds!, /^….*\/deploy\.lock +holds +exclusive +4194304 +3 min 10 s +the nig… +node x+…$/)
    assert.match(waits!, /^ +waits +exclusive +4194304 +3 min 10 s +- +node x+…$/)
  })

  test('cuts only what does not fit', () => {
    const wide = toTable([lock('deploy.lock')], 140)
    assert.match(wide, /\ndeploy\.lock +holds .* the nightly build of everything +node x+…\n/)
    assert.match(toTable([lock('deploy.lock')], Infinity), new RegExp(`${LONG}\n`))
  })

  test('groups named locks by their root', () => {
    const table = toTable(
      [lock('free.lock'), lock('ledger', '/run/slocket'), lock('', '/run/slocket'), lock('ledger', '/srv')],
      200,
    )
    const beginnings = table.split('\n').map((line) => line.replace(/ {2,}(holds|STATE).*/, ''))
    assert.deepEqual(
      beginnings.filter((line) => !/^ +waits/.test(line)),
      ['LOCK', 'free.lock', 'named locks in /run/slocket:', '  ledger', "  ''", 'named locks in /srv:', '  ledger', ''],
    )
  })
})
