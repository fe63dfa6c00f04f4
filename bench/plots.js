// The plots of a case, from what was measured.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SLOCKET } from './contestants/index.js'
import { plot } from './plot.js'
import { isFloor, number, pointTitle, titleOf } from './names.js'
import { failure, summarize } from './summary.js'

/** The file of each plot, and its title. */
export function plotsOf({ name, plots }) {
  return plots.map(({ metric, title }) => ({ metric, title, file: `${name.replaceAll(' ', '-')}-${metric}.svg` }))
}

export function drawPlots(cases, results, directory) {
  mkdirSync(directory, { recursive: true })
  for (const definition of cases) {
    const points = results.cases[definition.name]
    if (points === undefined) continue
    for (const { metric, title, file } of plotsOf(definition)) {
      const groups = Object.entries(points).map(([point, contestants]) => ({
        title: pointTitle(definition, point, results),
        bars: Object.entries(contestants).flatMap(([contestant, runs]) => bar(definition, contestant, runs, metric)),
      }))
      writeFileSync(join(directory, file), plot({ title, groups: groups.filter(({ bars }) => bars.length > 0) }))
    }
  }
}

function bar(definition, contestant, runs, metric) {
  const summary = summarize(definition, runs, metric)
  const common = { label: titleOf(contestant), isOurs: contestant === SLOCKET, isFloor: isFloor(contestant) }
  if (summary !== undefined) {
    return [{ ...common, value: summary.median, min: summary.min, max: summary.max, text: number(summary.median) }]
  }
  return failure(runs) === undefined ? [] : [{ ...common, text: 'failed' }]
}
