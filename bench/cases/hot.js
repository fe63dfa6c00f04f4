import { join } from 'node:path'
import { BETWEEN_PROCESSES, IN_PROCESS, prepare, SYSTEM_CALLS } from '../contestants/index.js'
import { inGroup } from '../processes.js'
import { countCalls } from '../strace.js'

export const hot = {
  name: 'hot',
  title: 'One process, no contention: acquire and release, again and again',
  points: () => ['disk', 'tmpfs'],
  contestants: () => [...BETWEEN_PROCESSES, ...IN_PROCESS, SYSTEM_CALLS],
  async measure({ contestant, point, repetition, directory, settings: { hot: settings } }) {
    const path = join(directory, 'lock')
    prepare(contestant, path)
    const { warmMs, runMs, straceCycles } = settings
    const time = await inGroup(60_000, (group) => group.run('hot.js', { contestant, path, warmMs, runMs }))
    // The number of calls depends neither on the file system nor on other load.
    if (repetition > 0 || point !== 'disk') return time
    return { ...time, ...(await countCalls(contestant, directory, straceCycles)) }
  },
  columns: [
    { metric: 'time', title: 'a pair', unit: 'µs', less: true },
    { metric: 'calls', title: 'system calls' },
    { metric: 'directoryCalls', title: 'of the directory, beyond listings' },
    { metric: 'listings', title: 'listings' },
  ],
  plots: [{ metric: 'time', title: 'Acquire and release, no contention: µs for a pair, less is better' }],
}
