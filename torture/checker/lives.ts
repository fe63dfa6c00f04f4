/** When each client was certainly alive, when it was certainly dead, and when it couldn't be expected to react. */
import type { TraceEvent } from '../trace/event.ts'
import { HEARTBEAT_MS } from '../trace/event.ts'

export interface Span {
  readonly from: number
  readonly to: number
}

/** A client that writes nothing for this long was stopped, blocked, dead, or had no processor. */
const IDLE_NS = 2.5 * HEARTBEAT_MS * 1e6

export class Lives {
  /** The earliest moment from which it may be dead. */
  readonly #doomed = new Map<string, number>()
  /** The same, for a process and all workers of its cluster. */
  readonly #doomedTogether = new Map<string, number>()
  readonly #dead = new Map<string, number>()
  readonly #idle = new Map<string, Span[]>()
  readonly #beats = new Map<string, number[]>()

  constructor(events: readonly TraceEvent[]) {
    const lastSeen = new Map<string, number>()
    for (const { at, who, ...event } of events) {
      this.#addIdle(who, lastSeen.get(who), at)
      lastSeen.set(who, at)
      if (event.kind === 'kill' || event.kind === 'end') setFirst(this.#doomed, event.whom, at)
      else if (event.kind === 'kill all') setFirst(this.#doomedTogether, event.whom, at)
      else if (event.kind === 'dead') setFirst(this.#dead, event.whom, at)
      else if (event.kind === 'beat') addTo(this.#beats, who, at)
    }
    for (const [who, at] of lastSeen) this.#addIdle(who, at, Infinity)
  }

  /** The end of the time in which it was certainly alive. */
  livedUntil(who: string): number {
    return Math.min(earliest(this.#doomed, who), this.#doomedTogether.get(processOf(who)) ?? Infinity)
  }

  /** From this time on it is certainly dead. */
  deadFrom(who: string): number {
    return earliest(this.#dead, who)
  }

  /** The times in which it wrote nothing. */
  idleSpans(who: string): readonly Span[] {
    return this.#idle.get(who) ?? []
  }

  /** True if its event loop made a whole turn in that time, and so has seen every event that was there at the beginning. */
  wentRound(who: string, { from, to }: Span): boolean {
    const beats = this.#beats.get(who)?.filter((at) => at > from && at < to)
    return beats !== undefined && beats.length >= 2
  }

  #addIdle(who: string, from: number | undefined, to: number): void {
    if (from !== undefined && to - from > IDLE_NS) addTo(this.#idle, who, { from, to })
  }
}

function addTo<T>(lists: Map<string, T[]>, who: string, value: T): void {
  const list = lists.get(who)
  if (list === undefined) lists.set(who, [value])
  else list.push(value)
}

function setFirst(moments: Map<string, number>, who: string, at: number): void {
  if (!moments.has(who)) moments.set(who, at)
}

/** The process that the director started: `who` itself, or the process that it is a thread or a worker of. */
function processOf(who: string): string {
  return who.replace(/[.+].*$/, '')
}

/** The earliest time for `who`, or for the process that it is a thread of. */
function earliest(moments: ReadonlyMap<string, number>, who: string): number {
  const dot = who.indexOf('.')
  const own = moments.get(who) ?? Infinity
  return dot === -1 ? own : Math.min(own, moments.get(who.slice(0, dot)) ?? Infinity)
}
