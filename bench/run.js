// npm run bench -- [--quick] [--only CASE,…] [--repeat N] [--out DIR] [--disk DIR]
//
// Measures everything side by side, writes what was measured to DIR (bench/results), and prints it, ratios first. A whole run
// also draws the plots, and writes the tables, of docs/performance.md.
//
//   node bench/run.js --plot FILE     draws the plots again from a file of results
//   node bench/run.js --report FILE   draws them, and writes the tables of docs/performance.md
//
// Exits with 1 if slocket failed anywhere. That a rival failed, or that a target was missed, is said, and no error.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CASES } from './cases/index.js'
import { SLOCKET } from './contestants/index.js'
import { install, versions } from './install.js'
import { describeCommit, describeMachine, findFileSystems } from './machine.js'
import { drawPlots, plotsOf } from './plots.js'
import { report } from './report.js'
import { runCase } from './runner.js'
import { FULL, QUICK } from './settings.js'
import { failure } from './summary.js'

const RESULTS = fileURLToPath(new URL('results', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const PLOTS = fileURLToPath(new URL('../docs/performance', import.meta.url))
const FORMAT = 1

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    repeat: { type: 'string' },
    out: { type: 'string', default: RESULTS },
    disk: { type: 'string' },
    plot: { type: 'string' },
    report: { type: 'string' },
  },
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

if (values.report !== undefined) publish(read(values.report))
else if (values.plot === undefined) await bench()
else drawPlots(CASES, read(values.plot), PLOTS)

async function bench() {
  if (process.platform !== 'linux') fail(`the bench needs Linux: this is ${process.platform}`)
  const chosen = chooseCases()
  const repeat = values.repeat === undefined ? undefined : positiveInteger('--repeat', values.repeat)
  const settings = values.quick ? QUICK : FULL
  install()
  const packages = versions()
  const missing = Object.keys(packages).filter((name) => packages[name] === null)
  for (const name of missing) console.log(`without ${name}: it could not be built here`)

  const results = {
    format: FORMAT,
    date: new Date().toISOString().slice(0, 10),
    commit: describeCommit(),
    quick: values.quick,
    repeat: repeat ?? settings.repeat,
    machine: describeMachine(),
    fileSystems: findFileSystems(values.disk && resolve(values.disk)),
    packages,
    settings,
    cases: {},
  }
  const begun = performance.now()
  const say = (line) => console.log(`${((performance.now() - begun) / 1000).toFixed(0).padStart(5)} s  ${line}`)
  for (const definition of chosen) {
    const surroundings = { settings, repeat, fileSystems: results.fileSystems, missing, say }
    results.cases[definition.name] = await runCase(definition, surroundings)
    save(results)
  }
  console.log(`\n${report(CASES, results)}`)
  const { file, plots } = places(results)
  if (!values.quick && values.only === undefined) publish(results)
  else drawPlots(CASES, results, plots)
  console.log(relative(process.cwd(), file))
  if (hasFailed(results)) fail('slocket failed: see above')
}

function chooseCases() {
  const names = values.only?.split(',')
  for (const name of names ?? []) {
    if (!CASES.some((definition) => definition.name === name)) {
      fail(`no case '${name}': ${CASES.map((definition) => definition.name).join(', ')}`)
    }
  }
  return CASES.filter(({ name }) => names?.includes(name) ?? true)
}

/** Quick and partial runs have names of their own, which git ignores. */
function places({ date, commit, quick }) {
  const isWhole = !quick && values.only === undefined
  const name = isWhole ? `${date}-${commit}` : quick ? 'quick' : 'partial'
  return { file: join(values.out, `${name}.json`), plots: join(values.out, name) }
}

/** After each case: what was measured is not lost if the run does not come to its end. */
function save(results) {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(places(results).file, `${JSON.stringify(results, compact, 1)}\n`)
}

/** Times to a tenth of a millionth are enough. */
function compact(_, value) {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value
}

function publish(results) {
  drawPlots(CASES, results, PLOTS)
  const inDocument = (definition) =>
    plotsOf(definition).map(({ file, title }) => ({ file: `performance/${file}`, title }))
  const text = readFileSync(DOCUMENT, 'utf8')
  const [before, after] = [text.split('<!-- results -->')[0], text.split('<!-- /results -->')[1]]
  if (after === undefined) fail(`${DOCUMENT} has no place for results`)
  const tables = report(CASES, results, inDocument)
  writeFileSync(DOCUMENT, `${before}<!-- results -->\n\n${tables}\n<!-- /results -->${after}`)
}

function read(file) {
  const results = JSON.parse(readFileSync(file, 'utf8'))
  if (results.format !== FORMAT) fail(`${file} is of format ${results.format}, not ${FORMAT}`)
  return results
}

function hasFailed({ cases }) {
  const points = Object.values(cases).flatMap((each) => Object.values(each))
  return points.some((contestants) => failure(contestants[SLOCKET] ?? []) !== undefined)
}

function positiveInteger(option, text) {
  if (!/^[1-9]\d*$/.test(text)) fail(`${option} must be a whole number of at least 1, not ${text}`)
  return Number(text)
}

function fail(message) {
  console.error(`bench/run.js: ${message}`)
  process.exit(1)
}
