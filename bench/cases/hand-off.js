import { BETWEEN_PROCESSES, RING } from '../contestants/index.js'
import { COLUMNS, race, raceRing } from '../race.js'

export const handOff = {
  name: 'hand-off',
  title: 'Processes in a loop around a read-modify-write; and around nothing',
  points: ({ handOff: { processes, emptyProcesses } }) => [...processes.map(String), `${emptyProcesses} empty`],
  pointTitle: (point) => point.replace(/^\d+$/, '$& processes').replace('empty', 'processes, around nothing'),
  contestants: (point) => (isEmpty(point) ? [...BETWEEN_PROCESSES, RING] : BETWEEN_PROCESSES),
  async measure({ contestant, point, directory, settings: { handOff: times } }) {
    const processes = Number.parseInt(point, 10)
    if (contestant === RING) return await raceRing({ directory, processes, times })
    return await race({ contestant, directory, processes, section: isEmpty(point) ? 'empty' : 'count', times })
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
