/** Says what a command waits for: on a terminal in one line, which is kept up to date and removed at the end; elsewhere once. */
import { setTimeout as sleep } from 'node:timers/promises'
import { printable } from '../errors.ts'
import type { LockRequest, LockSnapshot } from '../slocket.ts'
import { formatDuration } from './duration.ts'
import { writeError } from './output.ts'
import { cutEnd, cutStart, widthOf } from './width.ts'

const UPDATE_MS = 1000
const ERASE = '\r\u{1b}[K'
const USUAL_COLUMNS = 80
/** In fewer columns than this, a command isn't shown at all. */
const LEAST_DETAILS = 8
const LEAST_PATH = 12

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
      writeError(ERASE + describeWait(path, snapshot, columns - 1))
    }
    await sleep(UPDATE_MS, undefined, { signal: stopped, ref: false }).catch(() => {})
  }
}

/** Doesn't mention an obstacle, which was reported when it was found. */
export async function sayWait(path: string, query: () => Promise<LockSnapshot>, stopped: AbortSignal): Promise<void> {
  const snapshot = await query()
  const isBlocked = snapshot.obstacle !== undefined && snapshot.held.length === 0
  if (!stopped.aborted && !isBlocked) writeError(`${describeWait(path, snapshot)}\n`)
}

/**
 * `slocket: waiting for 'deploy.lock', held by pid 4711 (make deploy) for 3 min; 2 waiting ahead`
 *
 * If that doesn't fit, the holder's command is cut first, then the path, then the duration. The place in the queue is always there.
 *
 * @param columns the width of the terminal.
 */
export function describeWait(path: string, snapshot: LockSnapshot, columns: number = Infinity): string {
  const { held, pending, obstacle } = snapshot
  if (obstacle !== undefined && held.length === 0)
    return cutEnd(`slocket: waiting: ${printable(obstacle.message)}`, columns)
  const own = pending.findIndex(({ self }) => self)
  // This process may not have joined the queue yet.
  const ahead = own === -1 ? pending.length : own
  const place = ahead > 0 ? `; ${ahead} waiting ahead` : '; next in line'
  const [holder] = held
  const by = holder === undefined ? 'nobody' : pidOf(holder)
  const details = holder === undefined ? '' : detailsOf(holder)
  const others = `${durationOf(holder)}${held.length > 1 ? ` and ${held.length - 1} more` : ''}`
  const shown = printable(path)
  const line = (shownPath: string, known: string, more: string): string =>
    `slocket: waiting for '${shownPath}', held by ${by}${known === '' ? '' : ` (${known})`}${more}`
  const room = columns - widthOf(place)
  const roomFor = (text: string, most: string): number => room - widthOf(most) + widthOf(text)
  const forDetails = roomFor(details, line(shown, details, others))
  if (forDetails >= Math.min(LEAST_DETAILS, widthOf(details)))
    return line(shown, cutEnd(details, forDetails), others) + place
  for (const more of [others, '']) {
    const forPath = roomFor(shown, line(shown, '', more))
    if (forPath >= Math.min(LEAST_PATH, widthOf(shown))) return line(cutStart(shown, forPath), '', more) + place
  }
  return cutEnd(line(shown, '', ''), room) + place
}

function pidOf({ pid }: LockRequest): string {
  return pid === undefined ? 'a process that cannot be seen' : `pid ${pid}`
}

function detailsOf({ command, label }: LockRequest): string {
  return [label, command]
    .filter((detail) => detail !== undefined)
    .map(printable)
    .join(': ')
}

function durationOf(request: LockRequest | undefined): string {
  const since = request?.since
  return since === undefined ? '' : ` for ${formatDuration(Date.now() - since.getTime())}`
}
