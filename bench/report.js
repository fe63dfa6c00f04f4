// The results as text: ratios first, each beside its target, then the tables. In Markdown, which can be read in a terminal too.
import { SLOCKET } from './contestants/index.js'
import { number, pointTitle, titleOf } from './names.js'
import { failure, failures, judge, ratio, summarize } from './summary.js'
import { TARGETS } from './targets.js'

/** @param plots file names by case, or none. */
export function report(cases, results, plotsOf = () => []) {
  const judged = judge(TARGETS, cases, results)
  const parts = [where(results), ...(judged.length > 0 ? [ratios(judged, cases, results)] : [])]
  for (const definition of cases) {
    const points = results.cases[definition.name]
    if (points === undefined) continue
    parts.push(`### ${definition.title}`, ...plotsOf(definition).map(image), table(definition, points, results))
    const failed = listFailures(definition, points, results)
    if (failed !== '') parts.push(failed)
  }
  return `${parts.join('\n\n')}\n`
}

function image({ file, title }) {
  return `![${title}](${file})`
}

function where({ machine, fileSystems, date, commit, packages, quick, repeat }) {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version ?? '(could not be built)'}`)
  const lines = [
    `${date}, commit ${commit}. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.kernel} on ${machine.arch}; Node ${machine.node.slice(1)}.`,
    `Disk: ${fileSystems.disk.type}. Descriptors for a process: ${number(machine.descriptors)}. ${repeat} repetitions where no other number is said.`,
    `${versions.join(', ')}.`,
  ]
  if (quick) lines.unshift('**A quick run: it shows that everything runs. The numbers mean nothing.**')
  return lines.join('\n')
}

function ratios(judged, cases, results) {
  const rows = judged.map(({ target, reached, isMet }) => [
    nameOf(target, cases, results),
    describe(target, cases),
    reached === undefined ? '-' : withSpread(reached),
    target.most === undefined ? `at least ${number(target.least)}` : `at most ${number(target.most)}`,
    reached === undefined ? 'not known' : isMet ? 'met' : '**missed**',
  ])
  const met = judged.filter(({ isMet }) => isMet).length
  const head = ['case', 'slocket', 'reached', 'target', '']
  return `### Ratios and targets\n\n${met} of ${judged.length} met.\n\n${markdown(head, rows)}`
}

function nameOf({ case: name, point }, cases, results) {
  const title = pointTitle(definitionOf(name, cases), point, results)
  return title === '' ? name : `${name}, ${title}`
}

function definitionOf(name, cases) {
  return cases.find((definition) => definition.name === name)
}

function describe({ case: name, metric, over }, cases) {
  const column = definitionOf(name, cases).columns.find((each) => each.metric === metric)
  const title = heading(column)
  return over === undefined ? title : `${column.title}, to that of ${titleOf(over)}`
}

function heading({ title, unit }) {
  return unit === undefined ? title : `${title}, ${unit}`
}

function table(definition, points, results) {
  const { columns } = definition
  const [main] = columns
  const used = columns.filter(({ metric }) => everyRun(points).some((run) => Number.isFinite(run?.metrics?.[metric])))
  const names = Object.keys(points)
  const head = [...(names.length > 1 ? [''] : []), '', ...used.map(heading), `slocket's ${main.title} to it`]
  const rows = names.flatMap((point) =>
    measured(points[point]).map(([contestant, runs]) => [
      ...(names.length > 1 ? [pointTitle(definition, point, results)] : []),
      titleOf(contestant),
      ...used.map(({ metric }) => withSpread(summarize(definition, runs, metric))),
      contestant === SLOCKET ? '' : withSpread(ratio(points[point], main.metric, SLOCKET, contestant)),
    ]),
  )
  return markdown(head, rows)
}

/** Those that were measured at all. */
function measured(contestants) {
  return Object.entries(contestants).filter(([, runs]) => runs.some((run) => run !== null))
}

function everyRun(points) {
  return Object.values(points).flatMap((contestants) => Object.values(contestants).flat())
}

function listFailures(definition, points, results) {
  const lines = Object.entries(points).flatMap(([point, contestants]) =>
    Object.entries(contestants).flatMap(([contestant, runs]) => {
      const error = failure(runs)
      if (error === undefined) return []
      const { failed, tried } = failures(runs)
      const title = pointTitle(definition, point, results)
      const at = title === '' ? '' : `, ${title}`
      return [`- ${titleOf(contestant)}${at}, ${failed} of ${tried}: ${error.replaceAll(/[<>|`*_]/g, String.raw`\$&`)}`]
    }),
  )
  return lines.length === 0 ? '' : `Failed:\n\n${lines.join('\n')}`
}

/** The median, and where it was measured more than once the least and the greatest. */
function withSpread(summary) {
  if (summary === undefined) return ''
  const { median, min, max, count } = summary
  const isSame = number(min) === number(median) && number(max) === number(median)
  return count === 1 || isSame ? number(median) : `${number(median)} (${number(min)}–${number(max)})`
}

/** As prettier writes it, so that a document with it is formatted. */
function markdown(head, rows) {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n')
}
