import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { BETWEEN_PROCESSES, CONNECTION, patience, prepare } from '../contestants/index.js'
import { allOf, inGroup } from '../processes.js'
import { quantile } from '../statistics.js'
import { now } from '../clock.js'

/** These contestants wait until the lock of the dead holder is stale: measured once, with few locks. */
const SLOW = new Set(['proper-lockfile', 'lockfile'])
/** This contestant would take 20 minutes. */
const TOO_SLOW = new Set(['cross-process-lock'])

export const takeover = {
  name: 'takeover',
  title: 'From kill -9 of the holder to the next grant',
  points: () => ['all'],
  contestants: () => [...BETWEEN_PROCESSES.filter((name) => !TOO_SLOW.has(name)), CONNECTION],
  isMeasured: ({ contestant, repetition, settings }) =>
    !SLOW.has(contestant) || (repetition === 0 && settings.takeover.slowMs > 0),
  async measure({ contestant, directory, settings: { takeover: settings } }) {
    const path = join(directory, 'lock')
    prepare(contestant, path)
    const samples = await inGroup(150_000, (group) => killHolders(group, { contestant, path }, settings))
    return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99), max: quantile(samples, 1), samples }
  },
  /** The p99 of a hundred values says little, so all repetitions count together. */
  pool(runs) {
    const samples = runs.flatMap((run) => run.samples)
    return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99), max: quantile(samples, 1) }
  },
  columns: [
    { metric: 'p50', title: 'p50', unit: 'ms', less: true },
    { metric: 'p99', title: 'p99', unit: 'ms', less: true },
    { metric: 'max', title: 'max', unit: 'ms', less: true },
  ],
  plots: [{ metric: 'p50', title: 'From kill -9 of the holder to the next grant: p50 in ms, less is better' }],
}

/** Holders are started a few at a time, and killed when all of them hold, so that no start of a process disturbs. */
async function killHolders(group, options, { kills, batch, pauseMs, oneLimitMs, slowMs }) {
  const isSlow = SLOW.has(options.contestant)
  const until = now() + (isSlow ? slowMs : Infinity)
  const samples = []
  const waiter = group.start('client.js', options)
  await waiter.next()
  while (samples.length < kills) {
    const holders = Array.from({ length: isSlow ? 2 : batch }, () => group.start('client.js', options))
    await Promise.all(holders.map((holder) => holder.next()))
    for (const holder of holders) {
      if (samples.length === kills || (samples.length > 0 && now() >= until)) return samples
      samples.push(await killOne(holder, waiter, pauseMs, patience(options.contestant, oneLimitMs)))
    }
  }
  return samples
}

async function killOne(holder, waiter, pauseMs, limitMs) {
  holder.send('acquire')
  await holder.next() // asking
  await holder.next() // granted
  waiter.send('acquire')
  await waiter.next() // asking
  await sleep(pauseMs) // until it waits, by whatever it does for that
  const killed = now()
  process.kill(holder.pid, 'SIGKILL')
  const [{ granted }] = await allOf([waiter.next()], limitMs)
  await holder.kill()
  waiter.send('release')
  await waiter.next()
  return granted - killed
}
