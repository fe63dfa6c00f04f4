import { inGroup } from '../processes.js'

const AT_ONCE = 'at once'

export const manyNames = {
  name: 'many names',
  title: 'Many locks, each once: in turn, and at once',
  points: () => ['in turn', AT_ONCE],
  contestants: () => ['slocket', 'slocket-1', 'fs-native-extensions', 'proper-lockfile', 'lockfile'],
  repeat: ({ manyNames: { repeat } }) => repeat,
  async measure({ contestant, point, directory, settings }) {
    const { locks, settleMs } = settings.manyNames
    const options = { contestant, directory, locks, settleMs, atOnce: point === AT_ONCE }
    return await inGroup(120_000, (group) => group.run('many-names.js', options, ['--expose-gc']))
  },
  columns: [
    { metric: 'time', title: 'each', unit: 'µs', less: true },
    { metric: 'peak', title: 'descriptors at the peak', less: true },
    { metric: 'descriptors', title: 'left of them' },
    { metric: 'heap', title: 'growth of the heap', unit: 'KiB' },
    { metric: 'rss', title: 'of resident memory', unit: 'MiB' },
    { metric: 'left', title: 'files left' },
  ],
  plots: [{ metric: 'time', title: 'Many locks, each once: µs for each, less is better' }],
}
