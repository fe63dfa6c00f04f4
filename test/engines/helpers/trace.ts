/**
 * What client programs (programs/client.ts), and whoever directs them, write into one file, which all of them append to: one JSON object a
 * line. Its times are of CLOCK_MONOTONIC, which is one clock for all processes of the machine.
 */
import fs from 'node:fs'

/** The commands of a client, one JSON object per line. `as` names a handle. */
export type Order =
  /** Answers granted or failed. From then on it looks every few ms whether it holds still, and writes that down. */
  | { readonly do: 'acquire'; readonly as: string; readonly resource: string; readonly options?: OrderOptions }
  /** Answers released or failed. */
  | { readonly do: 'release'; readonly as: string }
  /** Answers downgraded or failed. */
  | { readonly do: 'downgrade'; readonly as: string }
  /** Acquires, holds for `holdMs`, and releases, in a loop, until `end`; then reports ended. Handles are named after the resource, or `as`. */
  | {
      readonly do: 'loop'
      readonly as?: string
      readonly resource: string
      readonly holdMs: number
      readonly options?: OrderOptions
      /** Whether each lock is downgraded in the middle of that time. */
      readonly downgrades?: boolean
    }
  | { readonly do: 'end' }
  /**
   * Writes to the sink, guarded by `assertHeld` right before, or by nothing but the token that goes along. Is stopped (SIGSTOP, by
   * itself) before the guard, or between it and the write, where it says so. Answers wrote, or not written.
   */
  | {
      readonly do: 'write'
      readonly as: string
      readonly guard: 'assert' | 'token'
      readonly stop?: 'before' | 'between'
    }
  /** Its wall clock is off by so much from now on. Says skewed. */
  | { readonly do: 'skew'; readonly ms: number }

export interface OrderOptions {
  readonly mode?: 'exclusive' | 'shared'
  readonly permits?: number
  readonly take?: number
  readonly timeout?: number
  readonly steal?: boolean
}

export interface Line {
  /** ns, as text. */
  readonly at: string
  readonly who: string
  readonly event: Event
  readonly as?: string
  readonly resource?: string
  /** How many may hold by claims of this kind; 1: exclusive, 0: shared. */
  readonly permits?: number
  /** How many of the permits it takes, if more than one. */
  readonly take?: number
  readonly token?: string
  readonly isThief?: boolean
  /** An earlier holder ended without releasing. */
  readonly recovered?: boolean
  readonly code?: string
  readonly message?: string
  readonly accepted?: boolean
  /** The lease of a hold, or the lease that an event is about: in hex, as etcdctl shows it. */
  readonly lease?: string
  /** When the request was sent that a lease was given, or renewed, by: ns, as text; and for how long. */
  readonly sentAt?: string
  readonly ttlMs?: number
}

/** Who writes what is done to clients, servers and networks. */
export const DIRECTOR = 'director'

export type Event =
  | 'ready'
  | 'asked'
  | 'granted'
  /** It held at this moment, as far as it knew: `assertHeld` passed after it. */
  | 'believes'
  /** From now on others may share what it holds. */
  | 'downgrading'
  | 'downgraded'
  | 'releasing'
  | 'released'
  /** `lock.signal` has aborted. */
  | 'lost'
  /** `assertHeld` has thrown. */
  | 'denied'
  /** `assertHeld` has passed after one of these. */
  | 'revived'
  | 'failed'
  | 'wrote'
  | 'not written'
  | 'stopping'
  | 'skewed'
  | 'ended'
  /** A rejection, or an exception, that nobody has listened to. */
  | 'unheard'
  /** A promise that has not settled long after it had to. */
  | 'hung'
  /** A lease was given, or renewed. */
  | 'renewed'
  | 'not renewed'
  /** A client was notified that its lease is over, or must count it as over. */
  | 'lease lost'
  /** About to tell a server that it is to end a lease; or, where none is named, to end what anybody holds by. */
  | 'revoking'
  /** The server has answered that. */
  | 'revoked'
  /** About to do something else to somebody. */
  | 'doing'

export function readTrace(file: string): Line[] {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

/** Milliseconds between two lines. */
export function msBetween(from: Line, to: Line): number {
  return Number(BigInt(to.at) - BigInt(from.at)) / 1e6
}
