import { join } from 'node:path'
import { DROP_IN, LOCKFILE, patience, prepare, PROPER_LOCKFILE, SLOCKET, SYSTEM_CALLS } from '../contestants/index.js'
import { allOf, inGroup } from '../processes.js'
import { median, quantile } from '../statistics.js'

const BLOCKED = 'blocked'
const LIMIT_MS = 60_000
const GRACE_MS = 10_000

export const sync = {
  name: 'sync',
  title:
    'Calls that block: the first one in a process; and how soon a waiter gets the lock of a thread that goes on blocking',
  points: () => ['free', BLOCKED],
  pointTitle: (point) => (point === BLOCKED ? 'a holder that blocks' : 'a free lock'),
  contestants: (point) => [SLOCKET, DROP_IN, PROPER_LOCKFILE, LOCKFILE, ...(point === BLOCKED ? [] : [SYSTEM_CALLS])],
  async measure({ contestant, point, directory, settings: { sync: settings } }) {
    const samples = []
    const count = point === BLOCKED ? settings.blocks : settings.runs
    const measureOne = point === BLOCKED ? waitBehindBlocked : callFirst
    while (samples.length < count) {
      const path = join(directory, `lock-${samples.length}`)
      prepare(contestant, path)
      samples.push(await inGroup(LIMIT_MS, (group) => measureOne(group, { contestant, path }, settings)))
    }
    if (point === BLOCKED) return { wait: median(samples), longest: quantile(samples, 1) }
    return { first: median(samples.map(({ first }) => first)), next: median(samples.map(({ next }) => next)) }
  },
  columns: [
    { metric: 'first', title: 'the first call', unit: 'ms', less: true },
    { metric: 'next', title: 'acquire and release after that', unit: 'µs', less: true },
    { metric: 'wait', title: 'from the release to the grant', unit: 'ms', less: true },
    { metric: 'longest', title: 'max', unit: 'ms', less: true },
  ],
  plots: [{ metric: 'first', title: 'The first call that blocks, of a free lock: ms, less is better' }],
}

async function callFirst(group, options) {
  return await group.run('sync.js', options)
}

/** From the release by a thread that continues to block, to the grant in another process. */
async function waitBehindBlocked(group, options, { holdMs: [least, most], tailMs }) {
  const waiter = group.start('client.js', options)
  await waiter.next() // ready
  // A waiter that polls must not poll at the same moment of each hold.
  const holdMs = least + Math.random() * (most - least)
  const holder = group.start('blocked.js', { ...options, holdMs, tailMs })
  await holder.next() // granted
  waiter.send('acquire')
  await waiter.next() // asking
  const [{ granted }, { released }] = await allOf(
    [waiter.next(), holder.next()],
    holdMs + tailMs + patience(options.contestant, GRACE_MS),
  )
  if (granted < released) throw new Error('two held at one time')
  return granted - released
}
