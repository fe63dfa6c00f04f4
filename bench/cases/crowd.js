import { join } from 'node:path'
import { IN_PROCESS, SLOCKET } from '../contestants/index.js'
import { number } from '../names.js'
import { inGroup } from '../processes.js'

const COMPETED = 'competed'
const PERMITS = 'permits'
const HELD = 'held'
/** How many hold at the same time while others wait for a permit. */
const FEW_PERMITS = 3
/** The backlog of slocket 1's socket has room for 511 waiters. */
const SLOCKET_1 = 500

export const crowd = {
  name: 'crowd',
  title:
    'One process, many requests at once; while a second process competes; for permits; and permits one after the other',
  points: ({ crowd: { requests, permitRequests, heldPermits } }) => [
    ...requests.map(String),
    ...requests.map((count) => `${count} ${COMPETED}`),
    ...permitRequests.map((count) => `${count} ${PERMITS}`),
    `${heldPermits} ${HELD}`,
  ],
  pointTitle(point) {
    const { requests, kind } = parse(point)
    if (kind === HELD) return `${number(requests)} permits, one after the other`
    const title = requests === 1 ? '1 request' : `${number(requests)} requests`
    if (kind === PERMITS) return `${title} for ${FEW_PERMITS} permits`
    return kind === COMPETED ? `${title}, competed for` : title
  },
  contestants(point) {
    const { requests, kind } = parse(point)
    if (kind !== undefined) return [SLOCKET]
    return requests <= SLOCKET_1 ? [SLOCKET, 'slocket-1', ...IN_PROCESS] : [SLOCKET, ...IN_PROCESS]
  },
  async measure({ contestant, point, repetition, directory, settings }) {
    const { runMs, limitMs } = settings.crowd
    const path = join(directory, 'lock')
    const { requests, kind } = parse(point)
    if (kind === HELD) {
      return await inGroup(90_000, (group) => group.run('permits.js', { contestant, path, permits: requests }))
    }
    const claim = kind === PERMITS ? { permits: FEW_PERMITS } : {}
    // Memory is the same each time, and 100,000 requests take long with some contestants.
    const measuresBytes = kind === undefined && requests > 1 && repetition === 0
    const options = { contestant, path, claim, requests, runMs, limitMs, measuresBytes }
    return await inGroup(90_000, async (group) => {
      const client = group.start('crowd.js', options, ['--expose-gc'])
      await client.next()
      if (kind === COMPETED) await group.start('cycle.js', { contestant, path }).next()
      client.send('go')
      return await client.next()
    })
  },
  columns: [
    { metric: 'rate', title: 'requests a second' },
    { metric: 'bytes', title: 'bytes for each that waits', less: true },
    { metric: 'listings', title: 'listings for each', less: true },
  ],
  plots: [{ metric: 'rate', title: 'Many requests at once in one process: requests a second, more is better' }],
}

function parse(point) {
  const [requests, kind] = point.split(' ')
  return { requests: Number(requests), kind }
}
