import { BETWEEN_PROCESSES, SYSTEM_CALLS } from '../contestants/index.js'
import { inGroup } from '../processes.js'

export const cold = {
  name: 'cold',
  title: 'The first acquire of a lock that nobody uses, and the last release',
  points: () => ['disk', 'tmpfs'],
  contestants: () => [...BETWEEN_PROCESSES, SYSTEM_CALLS],
  async measure({ contestant, directory, settings }) {
    const { locks } = settings.cold
    return await inGroup(60_000, (group) => group.run('cold.js', { contestant, directory, locks }))
  },
  columns: [
    { metric: 'acquire', title: 'acquire', unit: 'µs', less: true },
    { metric: 'release', title: 'release', unit: 'µs', less: true },
    { metric: 'first', title: 'the first acquire of the process', unit: 'µs', less: true },
  ],
  plots: [{ metric: 'acquire', title: 'The first acquire of a lock that nobody uses: µs, less is better' }],
}
