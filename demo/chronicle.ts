/** What has happened so far, as the main process did it or was told. Times are of the clock of `nowNs`. */
import { nowNs } from './messages.ts'

export interface Granted {
  readonly worker: number
  readonly pid: number
  readonly token: bigint
  readonly recovered: boolean
  readonly askedNs: bigint
  readonly atNs: bigint
  /** Just before it was released, or its holder killed. */
  endNs: bigint | undefined
}

export interface Killed {
  readonly worker: number
  readonly pid: number
  /** Just before the signal was sent. */
  readonly atNs: bigint
  /** What it held when it died. Known once all that it said has been read. */
  held: Granted | undefined
}

export interface Stopped {
  readonly pid: number
  readonly fromNs: bigint
  toNs: bigint | undefined
}

export type Mark =
  | { readonly kind: 'grant'; readonly worker: number }
  | { readonly kind: 'kill'; readonly worker: number }
  | { readonly kind: 'stop'; readonly worker: number }

const MOST_MARKS = 200

export class Chronicle {
  readonly startNs: bigint = nowNs()
  readonly grants: Granted[] = []
  readonly kills: Killed[] = []
  readonly stops: Stopped[] = []
  /** What must not happen, in words. */
  readonly faults: string[] = []
  /** The last grants, kills and stops, in order. */
  readonly marks: Mark[] = []
  recovered = 0
  repaired = 0

  addGrant(grant: Granted): void {
    this.grants.push(grant)
    if (grant.recovered) this.recovered += 1
    this.#mark({ kind: 'grant', worker: grant.worker })
  }

  addKill(kill: Killed): void {
    this.kills.push(kill)
    this.#mark({ kind: 'kill', worker: kill.worker })
  }

  addStop(stop: Stopped, worker: number): void {
    this.stops.push(stop)
    this.#mark({ kind: 'stop', worker })
  }

  get killsOfHolders(): number {
    return this.kills.filter((kill) => kill.held !== undefined).length
  }

  #mark(mark: Mark): void {
    this.marks.push(mark)
    if (this.marks.length > MOST_MARKS) this.marks.shift()
  }
}
