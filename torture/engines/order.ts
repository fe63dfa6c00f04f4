/**
 * First come, first served: what clients have written (test/engines/helpers/trace.ts), beside what the server was seen to have in its queue.
 *
 *  1. Who asks when another one has been seen in the queue is not granted while that one still waits there, unless the two can hold together.
 *  2. Of one process, who asked first for a lock is granted first: by the tokens, which the server gives in the order of its grants.
 *
 * When a request came into the queue is not known from outside: not from when it was asked for, and `pg_locks.waitstart` is set some time after it
 * has its place. So 1 compares only what is certain.
 */
import { holdsIn } from '../../test/engines/helpers/check.ts'
import type { Line } from '../../test/engines/helpers/trace.ts'

/** One in the server's queue. Times are those of the trace, in ns. */
export interface Wait {
  readonly resource: string
  readonly isShared: boolean
  /** It had its place by then. */
  readonly seenAt: number
  /** It waited until then, at least. */
  readonly stillAt: number
  /** For messages. */
  readonly what: string
}

export interface Order {
  readonly findings: readonly string[]
  /** How often one could have come before another that was there first. */
  readonly chances: number
}

interface Granted {
  readonly what: string
  readonly who: string
  readonly resource: string
  readonly isShared: boolean
  readonly askedAt: number
  readonly grantedAt: number
  readonly token: bigint
}

export function orderIn(trace: readonly Line[], waits: readonly Wait[]): Order {
  const granted = grantedIn(trace)
  const [overtaken, inverted] = [overtakenIn(granted, waits), invertedIn(granted)]
  return {
    findings: [...overtaken.findings, ...inverted.findings],
    chances: Math.min(overtaken.chances, inverted.chances),
  }
}

/** In the order in which they were asked for. */
function grantedIn(trace: readonly Line[]): Granted[] {
  const asked = new Map(
    trace.filter(({ event }) => event === 'asked').map(({ who, as, at }) => [`${who} ${as}`, Number(at)]),
  )
  return holdsIn(trace)
    .map(({ who, as, resource, permits, since, token }) => ({
      what: `${who} ${as} (token ${token})`,
      who,
      resource,
      isShared: permits === 0,
      askedAt: asked.get(`${who} ${as}`) ?? 0,
      grantedAt: Number(since),
      token,
    }))
    .sort((a, b) => a.askedAt - b.askedAt)
}

function overtakenIn(granted: readonly Granted[], waits: readonly Wait[]): Order {
  const findings: string[] = []
  let chances = 0
  for (const wait of waits) {
    for (const later of granted) {
      if (later.resource !== wait.resource || (later.isShared && wait.isShared)) continue
      if (later.askedAt <= wait.seenAt || later.askedAt >= wait.stillAt) continue
      chances += 1
      if (later.grantedAt >= wait.stillAt) continue
      const ms = (wait.stillAt - later.grantedAt) / 1e6
      findings.push(`${later.what} was granted while ${wait.what} waited, which was there before, for ${ms} ms more`)
    }
  }
  return { findings, chances }
}

function invertedIn(granted: readonly Granted[]): Order {
  const findings: string[] = []
  let chances = 0
  for (const [index, later] of granted.entries()) {
    for (const first of granted.slice(0, index)) {
      if (first.who !== later.who || first.resource !== later.resource || (first.isShared && later.isShared)) continue
      if (first.grantedAt <= later.askedAt) continue
      chances += 1
      if (first.token > later.token) findings.push(`${later.what} came before ${first.what}, which had asked first`)
    }
  }
  return { findings, chances }
}
