/** One line on the terminal that tells what is waited for, kept up to date, gone at the end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { printable } from '../errors.ts'
import type { LockRequest, LockSnapshot } from '../slocket.ts'
import { formatDuration } from './duration.ts'
import { writeError } from './output.ts'

const UPDATE_MS = 1000
const ERASE = '\r\u{1b}[K'
const USUAL_COLUMNS = 80

/** Ends once `stopped` has aborted; then the line is gone. */
export async function showWait(path: string, query: () => Promise<LockSnapshot>, stopped: AbortSignal): Promise<void> {
  const erase = (): boolean => writeError(ERASE)
  // Bound: the wait.
  while (!stopped.aborted) {
    const snapshot = await query().catch(() => undefined)
    if (stopped.aborted) return
    if (snapshot !== undefined) {
      const columns = process.stderr.columns || USUAL_COLUMNS
      stopped.addEventListener('abort', erase, { once: true })
      writeError(ERASE + describeWait(path, snapshot).slice(0, columns - 1))
    }
    await sleep(UPDATE_MS, undefined, { signal: stopped, ref: false }).catch(() => {})
  }
}

/** `slocket: waiting for 'deploy.lock' behind pid 4711 (make deploy), which has it for 3 min; 2 wait ahead` */
export function describeWait(path: string, { held, pending, obstacle }: LockSnapshot): string {
  if (obstacle !== undefined && held.length === 0) return `slocket: waiting: ${printable(obstacle.message)}`
  const ahead = pending.findIndex(({ self }) => self)
  const holders = held.map(describeHolder)
  const [first = 'nobody'] = holders
  const others = holders.length > 1 ? ` and ${holders.length - 1} more` : ''
  const place = ahead > 0 ? `; ${ahead} waiting ahead` : '; next in line'
  return `slocket: waiting for '${printable(path)}', held by ${first}${others}${place}`
}

function describeHolder({ pid, command, label, since }: LockRequest): string {
  const details = [label, command].filter((detail) => detail !== undefined).map(printable)
  const known = details.length === 0 ? '' : ` (${details.join(': ')})`
  const duration = since === undefined ? '' : ` for ${formatDuration(Date.now() - since.getTime())}`
  return `${pid === undefined ? 'a process that cannot be seen' : `pid ${pid}`}${known}${duration}`
}
