// npm run bench -- [--quick] [--only CASE,…] [--repeat N] [--out DIR] [--disk DIR] [--node node-24]
//
// Measures everything side by side, writes the results to DIR (bench/results), and prints them, ratios first. A whole run
// also draws the plots, and writes the tables, of docs/performance.md. --node runs all of it with another Node, named in
// runtimes/package.json (installed if necessary) or given by its path; that writes only the result file.
//
//   node bench/run.js --plot FILE           draws the plots from a result file
//   node bench/run.js --report FILE[,FILE]  draws them, and writes the tables of docs/performance.md. The files after the first one
//                                           are of other versions of Node: their results are shown beside the targets
//
// Exits with 1 if slocket failed anywhere. Failures of rivals and missed targets are only reported.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { installRuntimes, runtimeNames, runtimeProgram } from '../scripts/runtimes.js'
import { findMissing } from './available.js'
import { CASES } from './cases/index.js'
import { isOurs } from './contestants/index.js'
import { install, versions } from './install.js'
import { describeCommit, describeMachine, findFileSystems } from './machine.js'
import { titleOf } from './names.js'
import { drawPlots, PLOTS, plotsOf } from './plots.js'
import { report } from './report.js'
import { runCase } from './runner.js'
import { FULL, QUICK } from './settings.js'
import { failure } from './summary.js'

const RESULTS = fileURLToPath(new URL('results', import.meta.url))
const DOCUMENT = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
/** The results of `npm run bench:engines -- --json`, for the overview. */
const ENGINES = join(RESULTS, 'engines.json')
/** The version of the file format. 2: hand-offs are measured from a cold start. */
const FORMAT = 2
/** Set in the process that --node starts. */
const UNDER_OTHER_NODE = 'SLOCKET_BENCH_UNDER_OTHER_NODE'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    repeat: { type: 'string' },
    out: { type: 'string', default: RESULTS },
    disk: { type: 'string' },
    node: { type: 'string' },
    plot: { type: 'string' },
    report: { type: 'string' },
  },
})

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

if (values.report !== undefined) publish(...values.report.split(',').map(read))
else if (values.plot !== undefined) drawPlots(CASES, read(values.plot), PLOTS, readEngines())
else if (values.node === undefined) await bench()
else runUnder(programOf(values.node))

async function bench() {
  if (process.platform !== 'linux') fail(`the bench needs Linux: this is ${process.platform}`)
  const chosen = chooseCases()
  const repeat = values.repeat === undefined ? undefined : positiveInteger('--repeat', values.repeat)
  const settings = values.quick ? QUICK : FULL
  install()
  const packages = versions()
  const missing = await findMissing()
  for (const { name, reason } of missing) console.log(`without ${titleOf(name)}: ${reason}`)

  const results = {
    format: FORMAT,
    date: new Date().toISOString().slice(0, 10),
    commit: describeCommit(),
    quick: values.quick,
    repeat: repeat ?? settings.repeat,
    machine: describeMachine(),
    fileSystems: findFileSystems(values.disk && resolve(values.disk)),
    packages,
    missing,
    settings,
    cases: {},
  }
  const begun = performance.now()
  const say = (line) => console.log(`${((performance.now() - begun) / 1000).toFixed(0).padStart(5)} s  ${line}`)
  for (const definition of chosen) {
    const surroundings = {
      settings,
      repeat,
      fileSystems: results.fileSystems,
      missing: missing.map(({ name }) => name),
      say,
    }
    results.cases[definition.name] = await runCase(definition, surroundings)
    save(results)
  }
  console.log(`\n${report(CASES, results, { engines: readEngines() })}`)
  const { file, plots } = places(results)
  const isUnderOther = process.env[UNDER_OTHER_NODE] !== undefined
  if (values.quick || values.only !== undefined) drawPlots(CASES, results, plots, readEngines())
  else if (!isUnderOther) publish(results)
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

/** Quick and partial runs have their own file names, which git ignores. */
function places({ date, commit, quick, machine }) {
  const isWhole = !quick && values.only === undefined
  const [major] = machine.node.slice(1).split('.')
  const name = isWhole ? `${date}-${commit}-node-${major}` : quick ? 'quick' : 'partial'
  return { file: join(values.out, `${name}.json`), plots: join(values.out, name) }
}

/** Called after each case, so that results aren't lost if the run is interrupted. */
function save(results) {
  mkdirSync(values.out, { recursive: true })
  writeFileSync(places(results).file, `${JSON.stringify(results, compact, 1)}\n`)
}

/** Rounds times to a tenth of a millionth. */
function compact(_, value) {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(7)) : value
}

function publish(results, ...others) {
  const engines = readEngines()
  drawPlots(CASES, results, PLOTS, engines)
  const inDocument = (definition) =>
    plotsOf(definition).map(({ file, title }) => ({ file: `performance/${file}`, title }))
  const text = readFileSync(DOCUMENT, 'utf8')
  const [before, after] = [text.split('<!-- results -->')[0], text.split('<!-- /results -->')[1]]
  if (after === undefined) fail(`${DOCUMENT} has no place for results`)
  const tables = report(CASES, results, { others, engines, plotsOf: inDocument })
  writeFileSync(DOCUMENT, `${before}<!-- results -->\n\n${tables}\n<!-- /results -->${after}`)
}

function read(file) {
  const results = JSON.parse(readFileSync(file, 'utf8'))
  if (results.format !== FORMAT) fail(`${file} is of format ${results.format}, not ${FORMAT}`)
  return results
}

function readEngines() {
  return existsSync(ENGINES) ? JSON.parse(readFileSync(ENGINES, 'utf8')) : undefined
}

/** True if slocket failed anywhere. */
function hasFailed({ cases }) {
  const points = Object.values(cases).flatMap((each) => Object.values(each))
  const runs = points.flatMap((contestants) => Object.entries(contestants))
  return runs.some(([contestant, own]) => isOurs(contestant) && failure(own) !== undefined)
}

/** A name from runtimes/package.json, or a path. */
function programOf(node) {
  const names = runtimeNames().filter((name) => name.startsWith('node-'))
  if (!names.includes(node)) {
    if (existsSync(node)) return resolve(node)
    fail(`no Node '${node}': neither a file nor one of ${names.join(', ')}`)
  }
  try {
    installRuntimes()
  } catch (error) {
    fail(error.message)
  }
  return runtimeProgram(node)
}

/** Runs the same command with another Node. All processes that it starts use that Node, too. */
function runUnder(program) {
  const own = process.argv.slice(2)
  const at = own.findIndex((word) => word === '--node' || word.startsWith('--node='))
  own.splice(at, own[at] === '--node' ? 2 : 1)
  const PATH = `${dirname(program)}${delimiter}${process.env.PATH}`
  const { status } = spawnSync(program, [fileURLToPath(import.meta.url), ...own], {
    stdio: 'inherit',
    env: { ...process.env, PATH, [UNDER_OTHER_NODE]: '1' },
  })
  process.exitCode = status ?? 1
}

function positiveInteger(option, text) {
  if (!/^[1-9]\d*$/.test(text)) fail(`${option} must be a whole number of at least 1, not ${text}`)
  return Number(text)
}

function fail(message) {
  console.error(`bench/run.js: ${message}`)
  process.exit(1)
}
