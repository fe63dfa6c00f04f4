import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './bench.ts'
import type { Cases, Target } from './bench.ts'

const { CASES } = await load<Cases>('cases/index.js')
const { TARGETS } = await load<{ TARGETS: readonly Target[] }>('targets.js')
const { FULL } = await load<{ FULL: object }>('settings.js')

test('each target is a number that a whole run measures', () => {
  for (const target of TARGETS) {
    const text = JSON.stringify(target)
    const definition = CASES.find(({ name }) => name === target.case)
    assert.ok(definition, text)
    const points = definition.points(FULL)
    assert.ok(points.includes(target.point) && points.includes(target.overPoint ?? target.point), text)
    assert.ok(
      definition.columns.some(({ metric }) => metric === target.metric),
      text,
    )
    const contestants = definition.contestants(target.point)
    assert.ok(contestants.includes(target.of ?? 'slocket') && contestants.includes(target.over ?? 'slocket'), text)
    assert.equal([target.least, target.most].filter((limit) => limit !== undefined).length, 1, text)
  }
})

test('each plot shows a column of its case, and line plots have numeric points', () => {
  for (const { columns, plots, points } of CASES) {
    for (const { metric, axis } of plots) {
      assert.ok(columns.some((column) => column.metric === metric))
      if (axis !== undefined) for (const point of points(FULL)) assert.ok(Number(point) > 0, point)
    }
  }
})
