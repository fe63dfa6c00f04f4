import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DROP_IN,
  FS_NATIVE_EXTENSIONS,
  LOCKFILE,
  prepare,
  PROPER_LOCKFILE,
  SLICE,
  SLOCKET,
} from '../contestants/index.js'
import { allOf, inGroup } from '../processes.js'
import { now } from '../clock.js'
import { RETRIES } from '../retries.js'

const LIMIT_MS = 60_000

const CONTESTANTS = [SLOCKET, SLICE, DROP_IN, FS_NATIVE_EXTENSIONS, PROPER_LOCKFILE, LOCKFILE]

export const updates = {
  name: 'updates',
  title: 'Processes that update one JSON file, some times each',
  points: () => Object.keys(RETRIES),
  pointTitle: (point) => (point === 'quick' ? 'retries of 10 to 100 ms' : 'the retries of `retries: 10`'),
  contestants: (point) => (point === 'quick' ? CONTESTANTS : [DROP_IN, PROPER_LOCKFILE]),
  async measure({ contestant, point, directory, settings }) {
    const { processes, updates: each } = settings.updates
    const path = join(directory, 'lock')
    const file = join(directory, 'data.json')
    prepare(contestant, path)
    writeFileSync(file, JSON.stringify({ updates: 0 }))
    const time = await inGroup(2 * LIMIT_MS, async (group) => {
      const clients = Array.from({ length: processes }, () =>
        group.start('updates.js', {
          contestant,
          path,
          file,
          updates: each,
          ...(point === 'default' && { retries: point }),
        }),
      )
      await said(clients) // ready
      const from = now()
      for (const client of clients) client.send('go')
      await said(clients)
      return now() - from
    })
    const { updates: counted } = JSON.parse(readFileSync(file, 'utf8'))
    if (counted !== processes * each) {
      throw new Error(`two held at one time: ${processes * each - counted} of ${processes * each} updates were lost`)
    }
    return { time }
  },
  columns: [{ metric: 'time', title: 'all updates', unit: 'ms', less: true }],
  plots: [{ metric: 'time', title: 'Updates of one JSON file by some processes: ms for all, less is better' }],
}

async function said(clients) {
  return await allOf(
    clients.map((client) => client.next()),
    LIMIT_MS,
  )
}
