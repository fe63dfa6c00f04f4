/** What there is to see at one moment, as text. */
import type { LockRequest, LockSnapshot } from '../src/index.ts'
import type { Chronicle, Mark } from './chronicle.ts'
import type { Crew } from './crew.ts'
import type { Paint } from './paint.ts'
import { successorOf } from './takeover.ts'
import { nsToMs } from './messages.ts'
import type { WorkerProcess } from './worker-process.ts'

export interface View {
  readonly elapsedMs: number
  readonly totalMs: number
  /** What slocket.query said last. */
  readonly snapshot: LockSnapshot
  readonly crew: Crew
  readonly chronicle: Chronicle
}

export const WIDTH = 78
const STRIP = 66

export function frame(view: View, paint: Paint): string[] {
  const { elapsedMs, totalMs, chronicle, crew } = view
  const clock = `${seconds(elapsedMs)} of ${seconds(totalMs)}`
  const title = `slocket: ${crew.workers.length} processes, 1 lock`
  return [
    `${paint('bold', title)}${paint('dim', clock.padStart(WIDTH - title.length))}`,
    '',
    ...rows(view, paint),
    '',
    counts(chronicle, paint),
    `grants  ${chronicle.marks
      .slice(-STRIP)
      .map((mark) => glyph(mark, paint))
      .join('')}`,
    `        ${lastTakeover(chronicle, paint)}`,
  ]
}

/** Who holds, who waits, in queue order; then those who do neither. Always one row for the holder, and each worker once. */
function rows({ snapshot, crew }: View, paint: Paint): string[] {
  const holder = snapshot.held[0]
  // The snapshot may be some ms old: who was killed since waits no more.
  const pending = snapshot.pending.filter(({ pid }) => crew.byPid(pid)?.wasKilled === false)
  const waiting = pending.map((request, index) => ({ request, place: index + 1 }))
  const shown = new Set([holder?.pid, ...pending.map(({ pid }) => pid)])
  const others = crew.workers.filter((worker) => !shown.has(worker.pid))
  return [
    holder === undefined ? 'holds     -' : requestRow(paint('bold', 'holds    '), holder, { crew, paint }),
    ...waiting.map(({ request, place }) => requestRow(`waits ${String(place).padStart(2)} `, request, { crew, paint })),
    ...others.map((worker) => `         ${paint('dim', `worker ${worker.number}`.padEnd(11))}${idle(worker, paint)}`),
  ]
}

function requestRow(what: string, request: LockRequest, { crew, paint }: { crew: Crew; paint: Paint }): string {
  const { pid, since, label } = request
  const worker = crew.byPid(pid)
  // One that is stopped cannot be asked for its label.
  const name = (label ?? (worker === undefined ? '?' : `worker ${worker.number}`)).padEnd(11)
  const time = `${Math.max(0, Date.now() - since!.getTime())} ms`.padStart(8)
  const note = noteOn(worker, { isHolder: what.includes('holds'), paint })
  return `${what}${paint(worker?.number ?? 'dim', name)}pid ${String(pid).padEnd(8)}${paint('dim', time)}   ${note}`
}

function noteOn(worker: WorkerProcess | undefined, { isHolder, paint }: { isHolder: boolean; paint: Paint }): string {
  switch (worker?.state) {
    case 'stopped':
      return paint('pause', isHolder ? 'stopped, but not dead: all wait' : 'stopped, keeps its place')
    case 'killed':
    case 'over':
    case undefined:
      return paint('alarm', 'killed -9')
    case 'starting':
    case 'running':
      return ''
  }
}

function idle(worker: WorkerProcess, paint: Paint): string {
  switch (worker.state) {
    case 'killed':
    case 'over':
      return worker.wasKilled ? paint('alarm', worker.diedHolding ? 'killed -9 as the holder' : 'killed -9') : ''
    case 'starting':
      return paint('dim', 'starts')
    case 'stopped':
      return paint('pause', 'stopped')
    case 'running':
      return ''
  }
}

function counts({ grants, kills, killsOfHolders, stops, recovered }: Chronicle, paint: Paint): string {
  return [
    `acquisitions ${paint('bold', count(grants.length))}`,
    `kills ${paint('bold', count(kills.length))} (${count(killsOfHolders)} while holding)`,
    `stops ${paint('bold', count(stops.length))}`,
    `recovered ${paint('bold', count(recovered))}`,
  ].join('   ')
}

/** One letter each: the worker that was granted the lock, a kill, a stop. */
function glyph({ kind, worker }: Mark, paint: Paint): string {
  switch (kind) {
    case 'grant':
      return paint(worker, worker.toString(36))
    case 'kill':
      return paint('alarm', '✗')
    case 'stop':
      return paint('pause', '‖')
  }
}

function lastTakeover({ kills, grants }: Chronicle, paint: Paint): string {
  const kill = kills.findLast(({ held }) => held !== undefined)
  const next = kill === undefined ? undefined : successorOf(kill, grants.slice(-200))
  if (kill === undefined || next === undefined) return ''
  const ms = paint('good', `${nsToMs(next.atNs - kill.atNs).toFixed(1)} ms`)
  return `worker ${kill.worker} killed as the holder: worker ${next.worker} had the lock ${ms} later`
}

export function plainLine(view: View): string {
  const { elapsedMs, snapshot, crew, chronicle } = view
  const name = ({ pid }: LockRequest): string => String(crew.byPid(pid)?.number ?? '?')
  const holder = snapshot.held[0]
  const queue = snapshot.pending.map(name).join(' ')
  return [
    seconds(elapsedMs).padStart(6),
    (holder === undefined ? 'nobody holds' : `worker ${name(holder)} (pid ${holder.pid}) holds`).padEnd(28),
    `waiting: ${queue}`.padEnd(8 + 2 * crew.workers.length),
    counts(chronicle, (_style, text) => text),
  ].join('  ')
}

/** 1,234 */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
