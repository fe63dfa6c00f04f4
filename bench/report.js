// The results as text: first the ratios, each with its target, then the tables. Markdown, which is readable in a terminal, too.
import { SLOCKET } from './contestants/index.js'
import { number, pointTitle, titleOf } from './names.js'
import { COLUMNS, overview } from './overview.js'
import { failure, failures, judge, ratio, summarize } from './summary.js'
import { TARGETS } from './targets.js'

/**
 * @param others the results of the same cases with other versions of Node, shown beside the targets.
 * @param engines the results of `npm run bench:engines`, if there are any.
 * @param plotsOf the plot files of a case, or of the overview if there is no case. Optional.
 */
export function report(cases, results, { others = [], engines, plotsOf = () => [] } = {}) {
  const parts = []
  const rows = overview(results, engines)
  if (rows.length > 0) parts.push(...plotsOf().map(image), overviewTable(rows))
  parts.push(where(results, others))
  if (judge(TARGETS, cases, results).length > 0) parts.push(targetTable(cases, [results, ...others]))
  parts.push('## Results')
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

function overviewTable(rows) {
  const used = COLUMNS.filter((_, index) => rows.some(({ values }) => values[index] !== undefined))
  const indexes = used.map((column) => COLUMNS.indexOf(column))
  return markdown(
    ['', ...used.map(heading)],
    rows.map(({ title, values }) => [
      title,
      ...indexes.map((index) => (values[index] === undefined ? '' : number(values[index].median))),
    ]),
  )
}

function where({ machine, fileSystems, date, commit, packages, quick, repeat, missing = [] }, others) {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version ?? '(could not be built)'}`)
  const lines = [
    `${date}, commit ${commit}. ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.kernel} on ${machine.arch}; Node ${machine.node.slice(1)}.`,
    ...others.map(
      (other) => `Beside the targets, also Node ${other.machine.node.slice(1)}: ${other.date}, commit ${other.commit}.`,
    ),
    `Disk: ${fileSystems.disk.type}. Descriptors for a process: ${number(machine.descriptors)}. ${repeat === 1 ? 'One repetition' : `${repeat} repetitions`} unless another number is given.`,
    `${versions.join(', ')}.`,
    ...missing.map(({ name, reason }) => `Without ${titleOf(name)}: ${reason}.`),
  ]
  if (quick) lines.unshift('**A quick run: it shows that everything runs. The numbers mean nothing.**')
  return lines.join('\n')
}

/** The results of each version of Node, in columns. The first results say which targets there are. */
function targetTable(cases, all) {
  const judged = all.map((results) => judge(TARGETS, cases, results))
  const nodes = all.map(({ machine }) => `Node ${machine.node.slice(1)}`)
  const rows = judged[0].map(({ target }) => [
    nameOf(target, cases, all[0]),
    describe(target, cases, all[0]),
    target.most === undefined ? `at least ${number(target.least)}` : `at most ${number(target.most)}`,
    ...judged.flatMap((each) => verdict(each.find((one) => one.target === target))),
  ])
  const met = judged.map(
    (each, index) => `${each.filter(({ isMet }) => isMet).length} of ${each.length} with ${nodes[index]}`,
  )
  const head = ['case', 'what', 'target', ...nodes.flatMap((node) => [node, ''])]
  return `## Targets\n\nMet: ${met.join(', ')}.\n\n${markdown(head, rows)}`
}

function verdict({ reached, isMet } = {}) {
  if (isMet === undefined) return ['-', 'not known']
  return [reached === undefined ? 'failed' : withSpread(reached), isMet ? 'met' : '**missed**']
}

function nameOf({ case: name, point }, cases, results) {
  const title = pointTitle(definitionOf(name, cases), point, results)
  return title === '' ? name : `${name}, ${title}`
}

function definitionOf(name, cases) {
  return cases.find((definition) => definition.name === name)
}

function describe({ case: name, metric, of = SLOCKET, over, overPoint }, cases, results) {
  const definition = definitionOf(name, cases)
  const column = definition.columns.find((each) => each.metric === metric)
  const what = of === SLOCKET ? '' : `${titleOf(of)}: `
  if (over !== undefined) return `${what}${column.title}, to that of ${titleOf(over)}`
  if (overPoint !== undefined) return `${what}${column.title}, to that of ${pointTitle(definition, overPoint, results)}`
  return `${what}${heading(column)}`
}

function heading({ title, unit }) {
  return unit === undefined ? title : `${title}, ${unit}`
}

function table(definition, points, results) {
  const { columns } = definition
  const [main] = columns
  const used = columns.filter(({ metric }) => everyRun(points).some((run) => Number.isFinite(run?.metrics?.[metric])))
  const names = Object.keys(points)
  const head = [...(names.length > 1 ? [''] : []), '', ...used.map(heading), `slocket ÷ this (${main.title})`]
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

/** The contestants that were measured. */
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

/** The median, and if it was measured several times, the least and the greatest. */
function withSpread(summary) {
  if (summary === undefined) return ''
  const { median, min, max, count } = summary
  const isSame = number(min) === number(median) && number(max) === number(median)
  return count === 1 || isSame ? number(median) : `${number(median)} (${number(min)}–${number(max)})`
}

/** Formatted like prettier does it, so that documents stay formatted. */
function markdown(head, rows) {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column].length)))
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n')
}
