import { BARE_QUEUE, BARE_SLICE, FS_NATIVE_EXTENSIONS, RING, RIVALS, SLICE, SLOCKET } from '../contestants/index.js'
import { COLUMNS, race, raceRing } from '../race.js'

export const handOff = {
  name: 'hand-off',
  title: 'Processes in a loop around a read-modify-write; and around nothing',
  points: ({ handOff: { processes, emptyProcesses } }) => [
    ...processes.map(String),
    `${emptyProcesses} empty`,
    `${emptyProcesses} warm`,
  ],
  pointTitle: (point) =>
    point
      .replace(/^\d+$/, '$& processes')
      .replace('empty', 'processes, around nothing')
      .replace('warm', 'processes, around nothing, for long'),
  contestants(point) {
    if (isWarm(point)) return [SLOCKET, SLICE, FS_NATIVE_EXTENSIONS, BARE_QUEUE, BARE_SLICE, RING]
    const all = [SLOCKET, SLICE, ...RIVALS, BARE_QUEUE, BARE_SLICE]
    return isEmpty(point) ? [...all, RING] : all
  },
  async measure({ contestant, point, directory, settings: { handOff: given } }) {
    const times = isWarm(point) ? { ...given, warmMs: given.longWarmMs } : given
    const processes = Number.parseInt(point, 10)
    if (contestant === RING) return await raceRing({ directory, processes, times })
    return await race({
      contestant,
      directory,
      processes,
      section: isEmpty(point) || isWarm(point) ? 'empty' : 'count',
      times,
    })
  },
  columns: COLUMNS,
  plots: [
    { metric: 'rate', title: 'Hand-off: operations a second, more is better' },
    { metric: 'p99', title: 'Hand-off: p99 of the wait, ms, less is better' },
  ],
}

function isEmpty(point) {
  return point.endsWith('empty')
}

function isWarm(point) {
  return point.endsWith('warm')
}
