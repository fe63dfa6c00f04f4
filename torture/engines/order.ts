/**
 * First come, first served: compares the traces of the clients (test/engines/helpers/trace.ts) with the queue, as it was seen on the server.
 *
 *  1. A request that is made while another one is in the queue isn't granted while that one still waits, unless the two can hold together.
 *  2. Within a process, the request that was made first is granted first, according to the tokens, which the server gives in the order of its grants.
 *
 * From outside, it can't be seen when a request entered the queue: it is some time after the request was made, and `pg_locks.waitstart` is set some time
 * after the request has its place. So rule 1 compares only what is certain.
 */
import { holdsIn } from '../../test/engines/helpers/check.ts'
import type { Line } from '../../test/engines/helpers/trace.ts'

/** A waiter in the server's queue. Times are those of the trace, in ns. */
export interface Wait {
  readonly resource: string
  readonly isShared: boolean
  /** It had its place by this time. */
  readonly seenAt: number
  /** It waited at least until this time. */
  readonly stillAt: number
  /** For messages. */
  readonly what: string
}

export interface Order {
  readonly findings: readonly string[]
  /** How often a request could have overtaken another one. */
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

/** In the order in which the requests were made. */
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
