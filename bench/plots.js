// The plots of a case, and of the overview, from what was measured.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOurs } from './contestants/index.js'
import { plot, plotLines } from './plot.js'
import { isFloor, number, pointTitle, titleOf } from './names.js'
import { COLUMNS, overview } from './overview.js'
import { failure, summarize } from './summary.js'

const OVERVIEW = { title: 'slocket and what people use: ms, less is better', file: 'overview.svg' }

/** The files of the plots of a case, with their titles; without a case, that of the overview. */
export function plotsOf(definition) {
  if (definition === undefined) return [OVERVIEW]
  const prefix = definition.name.replaceAll(' ', '-')
  return definition.plots.map((each) => ({ ...each, file: `${prefix}-${each.metric}.svg` }))
}

export function drawPlots(cases, results, directory, engines) {
  mkdirSync(directory, { recursive: true })
  const rows = overview(results, engines)
  if (rows.length > 0) {
    writeFileSync(join(directory, OVERVIEW.file), plot({ title: OVERVIEW.title, groups: overviewGroups(rows) }))
  }
  for (const definition of cases) {
    const points = results.cases[definition.name]
    if (points === undefined) continue
    for (const { file, ...each } of plotsOf(definition)) {
      const draw = each.axis === undefined ? drawBars : drawLines
      writeFileSync(join(directory, file), draw(definition, points, results, each))
    }
  }
}

function overviewGroups(rows) {
  return COLUMNS.flatMap(({ plotTitle, ms }, index) => {
    if (plotTitle === undefined) return []
    const known = rows.filter(({ values }) => values[index] !== undefined)
    const bars = known.map(({ title, contestant, values }) => {
      const [value, min, max] = ['median', 'min', 'max'].map((name) => values[index][name] * ms)
      return { label: title, isOurs: isOurs(contestant), value, min, max, text: number(value) }
    })
    return bars.length === 0 ? [] : [{ title: plotTitle, bars }]
  })
}

function drawBars(definition, points, results, { metric, title }) {
  const groups = Object.entries(points).map(([point, contestants]) => ({
    title: pointTitle(definition, point, results),
    bars: Object.entries(contestants).flatMap(([contestant, runs]) => bar(definition, contestant, runs, metric)),
  }))
  return plot({ title, groups: groups.filter(({ bars }) => bars.length > 0) })
}

/** A line for each contestant, over the points, which are numbers. */
function drawLines(definition, points, results, { metric, title, axis }) {
  const contestants = [...new Set(Object.values(points).flatMap((each) => Object.keys(each)))]
  const lines = contestants.map((contestant) => ({
    label: titleOf(contestant),
    isOurs: isOurs(contestant),
    places: Object.keys(points).flatMap((point) => {
      const summary = summarize(definition, points[point][contestant] ?? [], metric)
      return summary === undefined ? [] : [{ x: Number(point), y: summary.median, text: number(summary.median) }]
    }),
  }))
  return plotLines({ title, axis, lines: lines.filter(({ places }) => places.length > 0) })
}

function bar(definition, contestant, runs, metric) {
  const summary = summarize(definition, runs, metric)
  const common = { label: titleOf(contestant), isOurs: isOurs(contestant), isFloor: isFloor(contestant) }
  if (summary !== undefined) {
    return [{ ...common, value: summary.median, min: summary.min, max: summary.max, text: number(summary.median) }]
  }
  return failure(runs) === undefined ? [] : [{ ...common, text: 'failed' }]
}
