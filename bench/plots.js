// Makes the plots of a case, and of the overview, from results.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isOurs } from './contestants/index.js'
import { plot, plotLines } from './plot.js'
import { isFloor, number, pointTitle, titleOf } from './names.js'
import { COLUMNS, overview } from './overview.js'
import { failure, summarize } from './summary.js'

/** The directory of the documents' plots. */
export const PLOTS = fileURLToPath(new URL('../docs/performance', import.meta.url))

const SERVERS = { etcd: 'etcd', postgres: 'PostgreSQL', redis: 'Redis' }
const locksOf = ({ requests, clients }) => `${number(requests)} locks of ${clients} clients`
const waitsOf = ({ requests }) => `${number(requests)} requests for one lock`
/** The plots of docs/performance-engines.md: for each group of bars the case, its column, and a title. */
const ENGINE_PLOTS = [
  {
    file: 'engines-scale-time.svg',
    title: 'Many locks, and many waiters: s, less is better',
    groups: [
      ['many', 'acquire, s', (row) => `${locksOf(row)}: acquire`],
      ['many', 'release, s', (row) => `${locksOf(row)}: release, when all are held at once`],
      ['many', 'client CPU, s', (row) => `${locksOf(row)}: processor time of the clients`],
      ['many', 'server CPU, s', (row) => `${locksOf(row)}: processor time of the server`],
      ['queue', 'until all wait, s', (row) => `${waitsOf(row)}: until all wait`],
      ['queue', 'until all had it, s', (row) => `${waitsOf(row)}: until each has had it`],
      ['queue', 'client CPU, s', (row) => `${waitsOf(row)}: processor time of the clients`],
      ['queue', 'server CPU, s', (row) => `${waitsOf(row)}: processor time of the server`],
    ],
  },
  {
    file: 'engines-scale-memory.svg',
    title: 'Many locks, and many waiters: MB more than before, less is better',
    groups: [
      ['many', 'client MB more', (row) => `${locksOf(row)}: the process of the clients`],
      ['many', 'server MB more', (row) => `${locksOf(row)}: the server`],
      ['queue', 'client MB more', (row) => `${waitsOf(row)}: the process of the clients`],
      ['queue', 'server MB more', (row) => `${waitsOf(row)}: the server`],
    ],
  },
]

const OVERVIEW = { title: 'slocket and what people use: ms, less is better', file: 'overview.svg' }

/** The plot files of a case with their titles, or those of the overview if there is no case. */
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

/** @param results of `npm run bench:engines -- --json`. */
export function drawEnginePlots(results, directory) {
  for (const { file, title, groups } of ENGINE_PLOTS) {
    const drawn = groups.flatMap(([name, column, titleOfGroup]) => engineGroup(results, name, column, titleOfGroup))
    if (drawn.length > 0) writeFileSync(join(directory, file), plot({ title, groups: drawn }))
  }
}

function engineGroup({ cases }, name, column, titleOfGroup) {
  const rows = Object.entries(SERVERS).flatMap(([server, label]) => {
    const row = cases[`${name}, ${server}`]?.[0]
    return typeof row?.[column] === 'number' ? [{ row, label }] : []
  })
  if (rows.length === 0) return []
  const bars = rows.map(({ row, label }) => ({ label, isOurs: true, value: row[column], text: number(row[column]) }))
  return [{ title: titleOfGroup(rows[0].row), bars }]
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

/** Draws a line for each contestant, over the points, which are numbers. */
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
