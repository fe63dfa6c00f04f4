import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { FS_NATIVE_EXTENSIONS, isOurs, patience, prepare, SLOCKET } from '../contestants/index.js'
import { number } from '../names.js'
import { allOf, inGroup } from '../processes.js'
import { gaps, median, quantile } from '../statistics.js'

const START_MS = 60_000
const GRACE_MS = 10_000

export const waiting = {
  name: 'waiting',
  title: 'A hand-off while 10, 100 and 1,000 clients wait; and joining behind them',
  points: ({ waiting: { clients } }) => clients.map(String),
  pointTitle: (point) => `${number(Number(point))} waiting`,
  contestants: () => [SLOCKET, FS_NATIVE_EXTENSIONS],
  async measure({ contestant, point, directory, settings: { waiting: settings } }) {
    const path = join(directory, 'lock')
    prepare(contestant, path)
    return await inGroup(2 * START_MS, async (group) => {
      const processes = Array.from({ length: settings.processes }, () =>
        group.start('waiting.js', { contestant, path, ...settings }),
      )
      // One more, since one client holds.
      await fill(processes, Number(point) + 1)
      await sleep(settings.settleMs)
      const times = await handOffs(processes, contestant, settings)
      const metrics = { p50: median(times), p99: quantile(times, 0.99), max: quantile(times, 1) }
      return isOurs(contestant) ? { ...metrics, join: median(await joins(processes, settings)) } : metrics
    })
  },
  columns: [
    { metric: 'p50', title: 'hand-off p50', unit: 'ms', less: true },
    { metric: 'p99', title: 'p99', unit: 'ms', less: true },
    { metric: 'max', title: 'max', unit: 'ms', less: true },
    { metric: 'join', title: 'joining', unit: 'ms', less: true },
  ],
  plots: [
    { metric: 'p50', title: 'A hand-off while others wait: p50 in ms, less is better', axis: 'clients that wait' },
    { metric: 'join', title: 'Joining behind others: ms, less is better', axis: 'clients that wait' },
  ],
}

/** The clients of all processes join in turn: each hand-off goes to another process. */
async function fill(processes, clients) {
  await said(processes, START_MS) // ready
  for (let joined = 0; joined < clients; joined += 1) {
    const client = processes[joined % processes.length]
    client.send('join')
    await said([client], START_MS)
  }
}

/** The time from each release to the next grant, in ms. */
async function handOffs(processes, contestant, { handOffs: count, holdMs }) {
  for (const client of processes) client.send('go')
  await sleep(count * holdMs)
  for (const client of processes) client.send('stop')
  const results = await said(processes, patience(contestant, GRACE_MS))
  return gaps(
    results.flatMap(({ releases }) => releases),
    results.flatMap(({ grants }) => grants),
  )
}

/** How long it takes to join behind the waiters, in ms, from all processes in turn. */
async function joins(processes, { joins: count }) {
  const times = []
  while (times.length < count) {
    const client = processes[times.length % processes.length]
    client.send('measure a join')
    times.push(...(await said([client], START_MS)))
  }
  return times
}

async function said(processes, limitMs) {
  return await allOf(
    processes.map((client) => client.next()),
    limitMs,
  )
}
