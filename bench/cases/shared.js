import { SLOCKET } from '../contestants/index.js'
import { COLUMNS, race } from '../race.js'

const PERMITS = 3

export const shared = {
  name: 'shared',
  title: 'The same with readers, three of four operations; and with 3 permits',
  points: ({ handOff: { emptyProcesses } }) => [`${emptyProcesses} readers`, `${emptyProcesses} permits`],
  pointTitle: (point) =>
    isReaders(point)
      ? point.replace('readers', 'processes, readers')
      : point.replace('permits', `processes, ${PERMITS} permits`),
  contestants: (point) => (isReaders(point) ? [SLOCKET, 'fs-native-extensions', 'fs-ext'] : [SLOCKET]),
  async measure({ contestant, point, directory, settings: { handOff: times } }) {
    const processes = Number.parseInt(point, 10)
    if (isReaders(point)) return await race({ contestant, directory, processes, section: 'readers', times })
    return await race({ contestant, directory, processes, section: 'permits', claim: { permits: PERMITS }, times })
  },
  columns: COLUMNS,
  plots: [{ metric: 'rate', title: 'Readers, and permits: operations a second, more is better' }],
}

function isReaders(point) {
  return point.endsWith('readers')
}
