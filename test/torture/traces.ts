/** Traces, written by hand: who does what in which second. */
import type { TracedClaim, TracedDeed, TraceEvent } from '../../torture/trace/event.ts'
import { DIRECTOR } from '../../torture/trace/event.ts'

const SECOND = 1e9

/** Builds the events of one lock, `a`. */
export class Traces {
  readonly events: TraceEvent[] = []
  #entries = 0

  /** A moment, in seconds. */
  at(seconds: number, who: string, deed: TracedDeed): this {
    this.events.push({ at: seconds * SECOND, who, ...deed })
    this.events.sort((a, b) => a.at - b.at)
    return this
  }

  /** A request, from its asking to its grant, and to its release if it is released. Its name is `a:WHO#NUMBER`. */
  request(
    who: string,
    number: number,
    asked: number,
    granted: number,
    released?: number,
    { claim = 'exclusive', token = granted, recovered = false, slice }: Facts = {},
  ): this {
    const request = `a:${who}#${number}`
    const bounded = slice === undefined ? {} : { slice }
    this.at(asked, who, { kind: 'ask', request, claim, waits: true, ...bounded, engine: 0 })
    this.at(granted, who, { kind: 'grant', request, token: String(Math.round(token * 1000)), recovered })
    if (released !== undefined) this.at(released, who, { kind: 'release', request })
    return this
  }

  /** A ticket, from its entering to its joining, to its turn if it has one, and to its leaving if it leaves. */
  ticket(who: string, { entered, joined = entered, turn, left, claim = 'exclusive' }: TicketTimes): this {
    this.#entries += 1
    const entry = this.#entries
    const ticket = `t${entry}`
    this.at(entered, who, { kind: 'enter', entry, lock: 'a', claim })
    this.at(joined, who, { kind: 'joined', entry, ticket })
    if (turn !== undefined) this.at(turn, who, { kind: 'turn', ticket })
    if (left !== undefined) {
      this.at(left, who, { kind: 'leave', ticket })
      this.at(left, who, { kind: 'left', ticket })
    }
    return this
  }

  /** The lock is known to the checker by its requests. */
  known(): this {
    return this.request('nobody', 1, 0, 0, 0)
  }

  killed(who: string, at: number, dead: number = at): this {
    return this.at(at, DIRECTOR, { kind: 'kill', whom: who }).at(dead, DIRECTOR, { kind: 'dead', whom: who })
  }

  /** Its event loop goes round, from one moment to another. */
  running(who: string, from: number, to: number): this {
    for (let at = from; at <= to; at += 0.1) this.at(at, who, { kind: 'beat' })
    return this
  }

  removed(from: number, to: number): this {
    return this.at(from, DIRECTOR, { kind: 'remove', lock: 'a' }).at(to, DIRECTOR, { kind: 'removed', lock: 'a' })
  }
}

interface Facts {
  readonly claim?: TracedClaim
  readonly token?: number
  readonly recovered?: boolean
  /** In ms. */
  readonly slice?: number
}

interface TicketTimes {
  readonly entered: number
  readonly joined?: number
  readonly turn?: number
  readonly left?: number
  readonly claim?: TracedClaim
}
