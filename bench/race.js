// Processes that do the same for the same time: their total throughput, and how fairly it was shared.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { patience, prepare } from './contestants/index.js'
import { allOf, inGroup } from './processes.js'
import { jain, quantile, sum } from './statistics.js'
import { now } from './clock.js'

const START_MS = 60_000
const FILE_BYTES = 4096

/** Throws if more held at the same time than allowed. */
export async function race({ contestant, directory, processes, section, claim, times }) {
  const path = join(directory, 'lock')
  const file = join(directory, 'file')
  writeFileSync(file, Buffer.alloc(FILE_BYTES))
  prepare(contestant, path)
  const results = await inGroup(START_MS + 60_000, async (group) => {
    const clients = Array.from({ length: processes }, (_, index) =>
      group.start('hand-off.js', { contestant, path, file, section, claim, index, processes }),
    )
    await ready(clients)
    return await runAll(clients, { ...times, graceMs: patience(contestant, times.graceMs) })
  })
  check(section, file, results)
  return summarize(results, times)
}

/** The same for the ring. */
export async function raceRing({ directory, processes, times }) {
  const path = join(directory, 'ring')
  const results = await inGroup(START_MS, async (group) => {
    const clients = Array.from({ length: processes }, (_, index) => group.start('ring.js', { path, index, processes }))
    await ready(clients)
    for (const client of clients) client.send('connect')
    await ready(clients)
    return await runAll(clients, times)
  })
  return summarize(results, times)
}

async function ready(clients) {
  await allOf(
    clients.map((client) => client.next()),
    START_MS,
  )
}

async function runAll(clients, { warmMs, runMs, graceMs }) {
  const begin = now() + 50
  const from = begin + warmMs
  const end = from + runMs
  for (const client of clients) client.send({ begin, from, end })
  return await allOf(
    clients.map((client) => client.next()),
    warmMs + runMs + graceMs,
  )
}

function check(section, file, results) {
  const overlaps = sum(results.map((result) => result.overlaps ?? 0))
  if (overlaps > 0) throw new Error(`more than may held at one time, seen ${overlaps} times`)
  if (section !== 'count' && section !== 'readers') return
  const written = sum(results.map((result) => result.written))
  const counted = readFileSync(file).readDoubleLE()
  if (counted !== written) throw new Error(`two held at one time: ${written - counted} of ${written} writes were lost`)
}

function summarize(results, { runMs }) {
  const operations = results.map((result) => result.operations)
  const waits = results.flatMap((result) => result.waits)
  const total = sum(operations)
  if (total === 0) throw new Error('nobody got it while it was measured')
  const shared = {
    rate: (total * 1000) / runMs,
    jain: jain(operations),
    cpu: sum(results.map((result) => result.cpu)) / total,
  }
  if (waits.length === 0) return shared
  return { ...shared, p50: quantile(waits, 0.5), p99: quantile(waits, 0.99), max: quantile(waits, 1) }
}

export const COLUMNS = [
  { metric: 'rate', title: 'operations a second' },
  { metric: 'p50', title: 'wait p50', unit: 'ms', less: true },
  { metric: 'p99', title: 'p99', unit: 'ms', less: true },
  { metric: 'max', title: 'max', unit: 'ms', less: true },
  { metric: 'jain', title: "Jain's index" },
  { metric: 'cpu', title: 'CPU for each', unit: 'µs', less: true },
]
