// node bench/builds.js DIST DIST… [--processes 2] [--slice 1] [--seconds 40] [--warm 6] [--phase 200]
//
// Compares builds of slocket, each a directory `dist`, with the first one. The same processes take the lock of each build in turn, for a phase of some
// hundred milliseconds each. So all builds have the same processes and, on average, the same machine: what is slower by 3 percent shows within a minute.
// To see how much of a difference is chance, compare a build with a copy of it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { now } from './clock.js'
import { allOf, inGroup } from './processes.js'
import { median, spread, sum } from './statistics.js'

const START_MS = 60_000
/** Into how many parts the time is divided, to show how much the ratio varies. */
const PARTS = 8

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    processes: { type: 'string', default: '2' },
    slice: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '40' },
    warm: { type: 'string', default: '6' },
    phase: { type: 'string', default: '200' },
  },
})
const numbers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]))
const isValid =
  Object.entries(numbers).every(
    ([name, number]) =>
      Number.isFinite(number) && (number > 0 || (number === 0 && (name === 'slice' || name === 'warm'))),
  ) &&
  Number.isInteger(numbers.processes) &&
  numbers.seconds * 1000 >= PARTS * positionals.length * numbers.phase
if (positionals.length < 2 || !isValid) {
  console.error(
    'usage: node bench/builds.js DIST DIST… [--processes N] [--slice MS] [--seconds S] [--warm S] [--phase MS]\n' +
      `each build needs at least ${PARTS} phases`,
  )
  process.exit(64)
}

const phases = await measure(
  positionals.map((build) => resolve(build, 'index.cjs')),
  numbers,
)
show(positionals, phases)

/** For each phase of the measured time, in their order: operations, and µs of processor time, of all processes. */
async function measure(builds, { processes, slice, seconds, warm, phase }) {
  const directory = mkdtempSync(join(tmpdir(), 'slocket-builds-'))
  const limitMs = START_MS + (warm + seconds) * 1000
  try {
    const results = await inGroup(limitMs + START_MS, async (group) => {
      const clients = Array.from({ length: processes }, () => group.start('builds.cjs', { builds, directory, slice }))
      const next = () =>
        allOf(
          clients.map((client) => client.next()),
          limitMs,
        )
      await next()
      const count = Math.round((seconds * 1000) / phase)
      const begin = now() + 100
      for (const client of clients) client.send({ begin, from: begin + warm * 1000, phase, count })
      return await next()
    })
    return results[0].map((_, index) => ({
      operations: sum(results.map((result) => result[index].operations)),
      cpu: sum(results.map((result) => result[index].cpu)),
    }))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function show(builds, measured) {
  const ofBuild = builds.map((_, build) => measured.filter((_phase, index) => index % builds.length === build))
  const rounds = Math.min(...ofBuild.map((list) => list.length))
  const rateOf = (list) => sum(list.map(({ operations }) => operations)) / list.length / (numbers.phase / 1000)
  const cpuOf = (list) => median(list.map(({ cpu, operations }) => cpu / operations))
  const rows = builds.map((build, index) => {
    const [own, first] = [ofBuild[index], ofBuild[0]].map((list) => list.slice(0, rounds))
    const parts = Array.from({ length: PARTS }, (_, part) => {
      const [from, to] = [part, part + 1].map((edge) => Math.floor((rounds * edge) / PARTS))
      return rateOf(own.slice(from, to)) / rateOf(first.slice(from, to))
    })
    const { min, max } = spread(parts)
    return {
      build,
      'operations a second': Math.round(rateOf(own)),
      'to the first': (rateOf(own) / rateOf(first)).toFixed(3),
      'in each eighth of the time': `${min.toFixed(2)} to ${max.toFixed(2)}`,
      'µs of CPU for each': cpuOf(own).toFixed(1),
      'CPU, to the first': (cpuOf(own) / cpuOf(first)).toFixed(3),
    }
  })
  console.table(rows)
}
