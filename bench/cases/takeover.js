import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { BETWEEN_PROCESSES, CONNECTION, patience, prepare } from '../contestants/index.js'
import { allOf, inGroup } from '../processes.js'
import { quantile } from '../statistics.js'
import { now } from '../clock.js'

/** These wait until the dead one's lock is old: measured once, and not for long. */
const SLOW = new Set(['proper-lockfile', 'lockfile'])
/** This one would take 20 minutes. */
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
  /** p99 of a hundred says little: all repetitions together. */
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

/** Holders are started some at a time, and killed when all of them are there, so that no start disturbs. */
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
  holder.tell('acquire')
  await holder.next() // asking
  await holder.next() // granted
  waiter.tell('acquire')
  await waiter.next() // asking
  await sleep(pauseMs) // until it waits, by whatever it does for that
  const killed = now()
  process.kill(holder.pid, 'SIGKILL')
  const [{ granted }] = await allOf([waiter.next()], limitMs)
  await holder.kill()
  waiter.tell('release')
  await waiter.next()
  return granted - killed
}
