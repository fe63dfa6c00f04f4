// The numbers that most users look for, for slocket and for what they use today. Pure.
import { DROP_IN, FLOCK, FS_NATIVE_EXTENSIONS, LOCKFILE, PROPER_LOCKFILE, SLICE, SLOCKET } from './contestants/index.js'
import { titleOf } from './names.js'
import { spread } from './statistics.js'

const CONTESTANTS = [SLOCKET, SLICE, DROP_IN, PROPER_LOCKFILE, LOCKFILE, FLOCK, FS_NATIVE_EXTENSIONS]
const REDLOCK = 'redlock'

/**
 * The numbers: `from` names the case, point and metric. Times, with their unit in `ms`, are in the plot, too, under `plotTitle`.
 * `ofRedlock` takes the number from the results of `npm run bench:engines`, with Redis on the same machine.
 */
export const COLUMNS = [
  {
    from: ['hot', 'disk', 'time'],
    unit: 'µs',
    ms: 0.001,
    title: 'acquire and release, no contention',
    plotTitle: 'Acquire and release, no contention',
    ofRedlock: ({ cycle }) => cycle['p50 ms'] * 1000,
  },
  {
    from: ['hand-off', '8', 'rate'],
    title: '8 processes: operations a second',
    ofRedlock: ({ handOff }) => handOff['hand-offs/s'] / handOff['other process next'],
  },
  {
    from: ['hand-off', '8', 'max'],
    unit: 'ms',
    ms: 1,
    title: 'longest wait',
    plotTitle: '8 processes in a loop: the longest wait',
    ofRedlock: ({ handOff }) => handOff['longest wait ms'],
  },
  {
    from: ['hand-off', '8', 'jain'],
    title: "fairness (Jain's index)",
    ofRedlock: ({ handOff }) => handOff["Jain's index"],
  },
  {
    from: ['takeover', 'all', 'p50'],
    unit: 'ms',
    ms: 1,
    title: 'from kill -9 of the holder to the next grant',
    plotTitle: 'From kill -9 of the holder to the next grant',
  },
  {
    from: ['command', 'script', 'time'],
    unit: 'ms',
    ms: 1,
    title: 'a script that locks once',
    plotTitle: 'A script that locks once, from its start to its end',
  },
  {
    from: ['command', 'command', 'time'],
    unit: 'ms',
    ms: 1,
    title: 'a command under the lock',
    plotTitle: 'A command under the lock, from its start to its end',
  },
]

/** For each contestant that has any of the numbers: { title, contestant, values }, with a spread or undefined for each column. */
export function overview(results, engines) {
  const rows = CONTESTANTS.map((contestant) => ({
    title: titleOf(contestant),
    contestant,
    values: COLUMNS.map(({ from: [name, point, metric] }) => {
      const runs = results.cases[name]?.[point]?.[contestant] ?? []
      return spreadOf(runs.map((run) => run?.metrics?.[metric]))
    }),
  }))
  const all = engines === undefined ? rows : [...rows, redlock(engines)]
  return all.filter(({ values }) => values.some((value) => value !== undefined))
}

function redlock({ cases }) {
  const rowOf = (title) => cases[title]?.find(({ contestant }) => contestant === REDLOCK) ?? {}
  const measured = { cycle: rowOf('cycle, redis'), handOff: rowOf('hand-off, redis, 8 processes') }
  return {
    title: 'redlock, local Redis',
    contestant: REDLOCK,
    values: COLUMNS.map(({ ofRedlock }) => spreadOf([ofRedlock?.(measured)])),
  }
}

function spreadOf(values) {
  const known = values.filter((value) => Number.isFinite(value))
  return known.length === 0 ? undefined : spread(known)
}
