import { join } from 'node:path'
import { IN_PROCESS, SLOCKET } from '../contestants/index.js'
import { number } from '../names.js'
import { inGroup } from '../processes.js'

const COMPETED = 'competed'
/** What slocket 1 can be asked for at once: its socket takes 511 who wait. */
const SLOCKET_1 = 500

export const crowd = {
  name: 'crowd',
  title: 'One process, many requests at once; and while a second process competes',
  points: ({ crowd: { requests } }) => [...requests.map(String), ...requests.map((count) => `${count} ${COMPETED}`)],
  pointTitle(point) {
    const requests = Number.parseInt(point, 10)
    const title = requests === 1 ? '1 request' : `${number(requests)} requests`
    return point.endsWith(COMPETED) ? `${title}, competed for` : title
  },
  contestants(point) {
    if (point.endsWith(COMPETED)) return [SLOCKET]
    return Number(point) <= SLOCKET_1 ? [SLOCKET, 'slocket-1', ...IN_PROCESS] : [SLOCKET, ...IN_PROCESS]
  },
  async measure({ contestant, point, repetition, directory, settings }) {
    const { runMs } = settings.crowd
    const path = join(directory, 'lock')
    const isCompeted = point.endsWith(COMPETED)
    const requests = Number.parseInt(point, 10)
    // Memory is the same each time, and 100,000 that wait take long with some.
    const measuresBytes = !isCompeted && requests > 1 && repetition === 0
    const options = { contestant, path, requests, runMs, measuresBytes }
    return await inGroup(90_000, async (group) => {
      const client = group.start('crowd.js', options, ['--expose-gc'])
      await client.next()
      if (isCompeted) await group.start('cycle.js', { contestant, path }).next()
      client.tell('go')
      return await client.next()
    })
  },
  columns: [
    { metric: 'rate', title: 'requests a second' },
    { metric: 'bytes', title: 'bytes for each that waits', less: true },
  ],
  plots: [{ metric: 'rate', title: 'Many requests at once in one process: requests a second, more is better' }],
}
