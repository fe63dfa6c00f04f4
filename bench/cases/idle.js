import { setTimeout as sleep } from 'node:timers/promises'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BETWEEN_PROCESSES, prepare, NOTHING } from '../contestants/index.js'
import { inGroup } from '../processes.js'
import { now } from '../clock.js'
import { median, quantile, sum } from '../statistics.js'

const AT_A_TIME = 10

export const idle = {
  name: 'idle',
  title: 'The CPU of processes that wait',
  points: () => ['all'],
  contestants: () => [...BETWEEN_PROCESSES, NOTHING],
  repeat: ({ idle: { repeat } }) => repeat,
  async measure({ contestant, directory, settings: { idle: settings } }) {
    const path = join(directory, 'lock')
    prepare(contestant, path)
    const { processes } = settings
    return await inGroup(120_000, async (group) => {
      const holder = await asking(group, { contestant, path })
      if (contestant !== NOTHING) await holder.next() // granted
      const waiters = []
      while (waiters.length < processes) {
        const more = Math.min(AT_A_TIME, processes - waiters.length)
        waiters.push(...(await Promise.all(Array.from({ length: more }, () => asking(group, { contestant, path })))))
      }
      return await Promise.race([watch(holder, waiters, settings), ...waiters.map(granted)])
    })
  },
  columns: [
    { metric: 'max', title: 'CPU of the busiest waiter', unit: '%', less: true },
    { metric: 'median', title: 'median', unit: '%', less: true },
    { metric: 'sum', title: 'CPU of all waiters', unit: '%', less: true },
    { metric: 'holder', title: 'the holder', unit: '%', less: true },
  ],
  plots: [{ metric: 'max', title: 'The CPU of the busiest process that waits: % of a core, less is better' }],
}

async function watch(holder, waiters, { settleMs, runMs }) {
  await sleep(settleMs)
  const all = [holder, ...waiters]
  const from = now()
  const before = all.map(({ pid }) => cpuOf(pid))
  await sleep(runMs)
  const elapsedNs = (now() - from) * 1e6
  const shares = all.map(({ pid }, index) => (100 * (cpuOf(pid) - before[index])) / elapsedNs)
  const waiting = shares.slice(1)
  return { max: quantile(waiting, 1), median: median(waiting), sum: sum(waiting), holder: shares[0] }
}

/** There are none, as the holder keeps the lock. */
async function granted(waiter) {
  await waiter.next()
  throw new Error('a waiter was granted the lock while another process held it')
}

async function asking(group, options) {
  const client = group.start('client.js', options)
  await client.next() // ready
  client.send('acquire')
  await client.next() // asking
  return client
}

/** The processor time of all threads of a process, in ns, without those that have ended. */
function cpuOf(pid) {
  const directory = `/proc/${pid}/task`
  return sum(
    readdirSync(directory).map((thread) =>
      Number(readFileSync(`${directory}/${thread}/schedstat`, 'utf8').split(' ')[0]),
    ),
  )
}
