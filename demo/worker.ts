/** One of the demo's processes: takes the lock, writes the books, releases, and again. node worker.js DIRECTORY NUMBER SEED */
import { setTimeout as sleep } from 'node:timers/promises'
import { slocket } from '../src/index.ts'
import { Random } from '../src/testing/random.ts'
import { Books } from './books.ts'
import type { WorkerMessage } from './messages.ts'
import { FINISH, nowNs } from './messages.ts'
import { lockPath } from './stage.ts'

const LEAST_HOLD_MS = 2
const MOST_HOLD_MS = 15
const MOST_PAUSE_MS = 10

const [directory = '', number = '', seed = ''] = process.argv.slice(2)
const books = new Books(directory)
const random = new Random(Number(seed))
let isFinishing = false

process.on('message', (order) => {
  if (order === FINISH) isFinishing = true
})
// The main process has ended, however it did; or the last round is over.
process.on('disconnect', () => process.exit())
// A terminal sends Ctrl+C to all of them. The main process decides.
process.on('SIGINT', () => {})

// Ends by the order, or with the main process.
do {
  await oneRound()
  await sleep(random.below(MOST_PAUSE_MS))
} while (!isFinishing)
process.disconnect()

async function oneRound(): Promise<void> {
  const askedNs = nowNs()
  const lock = await slocket(lockPath(directory), { label: `worker ${number}` })
  const atNs = nowNs()
  try {
    tell({ kind: 'granted', token: lock.token, recovered: lock.recovered, askedNs, atNs })
    if (lock.recovered && books.repair()) tell({ kind: 'repaired' })
    const next = books.readCounter() + 1
    books.append({ number: next, worker: Number(number), pid: process.pid, token: lock.token })
    // Whoever is killed here leaves the ledger one ahead of the counter.
    await sleep(LEAST_HOLD_MS + random.below(MOST_HOLD_MS - LEAST_HOLD_MS))
    books.writeCounter(next)
    tell({ kind: 'releasing', atNs: nowNs() })
  } finally {
    await lock.release()
  }
}

function tell(message: WorkerMessage): void {
  process.send?.(message)
}
