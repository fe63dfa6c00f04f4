// Searches the models of the local engine, and their mutants, with Spin; see model/README.md. Needs Debian's packages
// spin, gcc and patch. Exits with 1 if the model breaks a promise, or if a mutant doesn't break its own.
//
//   npm run model                      everything; up to an hour, and up to 10 GB
//   npm run model -- --ci              a few small searches, and all mutants; some minutes
//   npm run model -- --only='-DCLAIMS=3 -DSTAY=1'     one search, with any switches; of acquire.pml, if it names no model
//   npm run model -- --only steal      all searches and mutants of one model, by its name
//   npm run model -- --keep DIR …      keeps the files of the search in DIR, to read the trail of a failure
import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { CI_SEARCHES, SEARCHES } from './model-searches.js'

const { values } = parseArgs({
  options: {
    ci: { type: 'boolean', default: false },
    only: { type: 'string' },
    keep: { type: 'string' },
    seconds: { type: 'string', default: '900' },
    jobs: { type: 'string', default: String(Math.min(2, os.availableParallelism())) },
  },
})
const model = fileURLToPath(new URL('../model/', import.meta.url))
const run = promisify(execFile)
const MEGABYTES_EACH = 4500
const MUTANT_SECONDS = 120

/** How the search is compiled. Short searches aren't worth optimizing. A mutant's error is found sooner if the search starts from the other end. */
const FOR_SEARCH = [values.ci ? '-O0' : '-O2']
const FOR_MUTANT = ['-O0', '-DREVERSE', '-DT_REVERSE']
/** The size of the hash table, as a power of two. */
const HASH = values.ci ? 20 : 24
const MUTANT_HASH = 18

const running = new Set()
const root = values.keep ?? fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-model-'))
fs.mkdirSync(root, { recursive: true })
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  if (values.keep === undefined) fs.rmSync(root, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))

for (const tool of ['spin', 'gcc', 'patch']) {
  try {
    await run(tool, [tool === 'spin' ? '-V' : '--version'])
  } catch (error) {
    console.error(`${tool} cannot be run (${error.code}). On Debian: apt-get install spin gcc patch`)
    process.exit(1)
  }
}

let isSound = true
const searches = values.ci ? CI_SEARCHES : SEARCHES
const patches = fs.readdirSync(path.join(model, 'mutants')).sort()
const jobs = []
if (values.only === undefined) {
  jobs.push(...searches.map(searchJob), ...patches.map(mutantJob))
} else if (fs.existsSync(path.join(model, `${values.only}.pml`))) {
  const file = `${values.only}.pml`
  jobs.push(...searches.filter((switches) => parseSwitches(switches).file === file).map(searchJob))
  jobs.push(...patches.filter((patch) => mutantModel(patch) === file).map(mutantJob))
} else {
  jobs.push(searchJob(values.only))
}
await Promise.all(Array.from({ length: Number(values.jobs) }, runJobs))
console.log(isSound ? 'all as it should be' : 'NOT SOUND')
process.exit(isSound ? 0 : 1)

async function runJobs() {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job()
}

/** The model must keep every promise. A search that is cut off has found nothing so far. */
function searchJob(switches) {
  return async () => {
    const directory = makeDirectory(switches)
    const { file, flags } = parseSwitches(switches)
    const found = await search(directory, file, flags, FOR_SEARCH, HASH, Number(values.seconds))
    const extent = found.isComplete
      ? 'searched completely'
      : `cut off after ${values.seconds} s or ${MEGABYTES_EACH} MB`
    report(found.broken === undefined, found, `${switches}: ${found.broken ?? extent}`)
  }
}

/** The model that a mutant changes. */
function mutantModel(patch) {
  return /^\+\+\+ b\/(.*)$/m.exec(fs.readFileSync(path.join(model, 'mutants', patch), 'utf8'))[1]
}

/** Its first line says which property it breaks (`Caught: NAME`), its second what it is searched with. */
function mutantJob(patch) {
  return async () => {
    const file = path.join(model, 'mutants', patch)
    const text = fs.readFileSync(file, 'utf8')
    const [, property, switches] = /Caught: ([A-Z]+).*\nSearch: (.*)\n/.exec(text)
    const broken = mutantModel(patch)
    const directory = makeDirectory(patch)
    try {
      await run('patch', ['-p1', '--silent', '--fuzz=0', '-i', file], { cwd: directory })
    } catch (error) {
      return report(false, { states: 0, seconds: '0' }, `${patch} does not apply any more: ${error.stdout}`)
    }
    const found = await search(
      directory,
      broken,
      [...switches.split(' '), `-DONLY=${property}`],
      FOR_MUTANT,
      MUTANT_HASH,
      MUTANT_SECONDS,
    )
    report(found.broken === property, found, `${path.basename(patch, '.patch')}: ${found.broken ?? 'NOT CAUGHT'}`)
  }
}

function report(isGood, { states, seconds }, text) {
  if (!isGood) isSound = false
  console.log(`${isGood ? 'ok   ' : 'ERROR'} ${String(states).padStart(10)} states ${seconds.padStart(6)} s  ${text}`)
}

function makeDirectory(name) {
  const directory = path.join(root, name.replaceAll('-D', '').replaceAll(/[^\w=-]+/g, '_'))
  fs.mkdirSync(directory, { recursive: true })
  for (const file of fs.readdirSync(model).filter((entry) => entry.endsWith('.pml'))) {
    fs.copyFileSync(path.join(model, file), path.join(directory, file))
  }
  return directory
}

/** A search: the name of a model, unless it is acquire.pml, then switches. */
function parseSwitches(text) {
  const words = text.split(' ')
  return words[0].endsWith('.pml') ? { file: words[0], flags: words.slice(1) } : { file: 'acquire.pml', flags: words }
}

/** Searches a model in `directory`. Returns the broken property, if any, the number of states, and whether the search is complete. */
async function search(directory, file, switches, flags, hash, limitSeconds) {
  await run('spin', ['-a', ...switches, file], { cwd: directory })
  // NOREDUCE: there is hardly anything to reduce. COLLAPSE packs the states, without loss.
  const how = ['-DSAFETY', '-DNOREDUCE', '-DNOFAIR', '-DNOBOUNDCHECK', '-DCOLLAPSE', '-DVECTORSZ=600']
  await run('gcc', ['-w', ...flags, ...how, `-DMEMLIM=${MEGABYTES_EACH}`, '-o', 'pan', 'pan.c'], { cwd: directory })
  const from = performance.now()
  // -E: the model itself judges processes that sleep at the end, see `IS_QUIET`.
  const output = await outputOf('./pan', ['-E', '-m50000', `-w${hash}`], directory, limitSeconds)
  const seconds = ((performance.now() - from) / 1000).toFixed(1)
  const states = Number(/^\s*(\d[\d.e+]*) states, stored/m.exec(output)?.[1] ?? Number.NaN)
  const errors = Number(/errors: (\d+)/.exec(output)?.[1] ?? Number.NaN)
  if (Number.isNaN(states + errors)) throw new Error(`pan, in ${directory}, said nothing that makes sense:\n${output}`)
  const broken = errors === 0 ? undefined : (/assertion violated \W*([A-Z]+)/.exec(output)?.[1] ?? output)
  return { broken, states, seconds, isComplete: !/Search not completed|max search depth too small/.test(output) }
}

/** pan also writes its totals when it is interrupted. */
function outputOf(command, args, cwd, limitSeconds) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
    running.add(child)
    const timer = setTimeout(() => child.kill('SIGINT'), limitSeconds * 1000)
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      running.delete(child)
      resolve(output)
    })
  })
}
