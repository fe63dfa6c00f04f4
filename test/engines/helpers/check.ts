/**
 * Checks what must never happen in a trace, whatever was done to servers, networks and clients.
 *
 *  1. At no time do more clients believe that they hold than the claim allows. A client that was notified of a loss, or whose `assertHeld` threw, doesn't believe.
 *  2. Tokens grow, from each grant to the next one that it excludes.
 *  3. A handle that was lost never comes to life again.
 *  4. Every rejection is handled, and no promise is pending forever.
 *  5. A failure has a code that callers can act on.
 *
 * If an operator revokes a lease, the server grants the lock to the next request and notifies the holder at the same time. Only in that case may both
 * believe that they hold, until the holder is notified. If it can't be notified, it believes until the deadline of its lease, and no longer
 * (docs/engines/etcd.md). Without leases, if the server ends a session, this takes only moments; the same applies until a victim is notified of its
 * thief.
 */
import type { Line } from './trace.ts'

/** What an acquire, or a release, may fail with while servers are down. */
const EXPECTED = new Set([
  'ERR_SLOCKET_TIMEOUT',
  'ERR_SLOCKET_UNREACHABLE',
  'ERR_SLOCKET_NOT_RELEASED',
  'ERR_SLOCKET_LOST',
])

interface Hold {
  readonly who: string
  readonly as: string
  readonly resource: string
  readonly permits: number
  readonly take: number
  readonly token: bigint
  readonly isThief: boolean
  readonly lease: string | undefined
  /** When it got the grant. */
  readonly since: bigint
  /** When it first believed that it held. That isn't the time of the grant, since it may have been stopped on the way. */
  from: bigint | undefined
  /** When it last did: not when it gives it back, since nobody asks then whether it is still there. */
  until: bigint
  /** When it was about to be downgraded: from then on it shares. */
  sharedFrom: bigint | undefined
  isOver: boolean
}

interface Revocation {
  readonly lease: string | undefined
  readonly since: bigint
  /** How long a holder with that lease may believe if it can't be notified. */
  readonly deadline: bigint
}

/** How long it may take, on a busy machine, until both have heard that a session has ended. */
const HEARD_NS = 2_000_000_000n
/** What a holder by a lease is promised to leave of it. */
const LEAST_MARGIN_MS = 500
const MARGIN = 0.1

export function check(trace: readonly Line[]): string[] {
  const expected = new Set([...EXPECTED, ...(trace.some(isOutOfMemory) ? ['ERR_SLOCKET_RESOURCES'] : [])])
  const findings = trace.flatMap((line) => findingsIn(line, expected))
  const holds = holdsIn(trace)
  const revocations = revocationsIn(trace)
  for (const resource of new Set(holds.map((hold) => hold.resource))) {
    findings.push(
      ...overlapsIn(
        holds.filter((hold) => hold.resource === resource),
        revocations,
      ),
    )
  }
  return findings
}

/** The grants, in the order of time. */
export function holdsIn(trace: readonly Line[]): Hold[] {
  const holds = new Map<string, Hold>()
  const ordered = [...trace].sort((a, b) => (BigInt(a.at) < BigInt(b.at) ? -1 : 1))
  for (const line of ordered) {
    const { at, who, event, as = '', resource = '', permits = 1, take = 1, token = '0', isThief = false, lease } = line
    const id = `${who} ${as}`
    const time = BigInt(at)
    if (event === 'granted') {
      holds.set(id, {
        who,
        as,
        resource,
        permits,
        take,
        token: BigInt(token),
        isThief,
        lease,
        since: time,
        from: undefined,
        until: time,
        sharedFrom: undefined,
        isOver: false,
      })
    }
    const hold = holds.get(id)
    if (hold === undefined || hold.isOver) continue
    if (event === 'believes') {
      hold.from ??= time
      hold.until = time
    }
    if (event === 'downgrading') hold.sharedFrom = time
    if (event === 'releasing' || event === 'lost' || event === 'denied') hold.isOver = true
  }
  return [...holds.values()]
}

function overlapsIn(holds: readonly Hold[], revocations: readonly Revocation[]): string[] {
  const findings: string[] = []
  const believed = holds.filter(hasBelieved).sort((a, b) => (a.from < b.from ? -1 : 1))
  for (const [index, hold] of believed.entries()) {
    const others = believed.slice(0, index).filter((other) => excludes(other, hold))
    const believers = others.filter((other) => other.until > hold.from && !isExcused(hold, other, revocations))
    const taken = believers.reduce((sum, { take }) => sum + take, hold.take)
    if (taken > Math.max(1, hold.permits)) {
      const [first] = believers
      const ms = Number(first!.until - hold.from) / 1e6
      findings.push(`${describe(hold)} believed while ${believers.map(describe).join(', ')} did, for ${ms} ms more`)
    }
    if (hold.permits > 1) continue
    const later = others.find((other) => other.token >= hold.token)
    if (later !== undefined)
      findings.push(`${describe(hold)} came after ${describe(later)}, which has no smaller token`)
  }
  return findings
}

function hasBelieved(hold: Hold): hold is Hold & { readonly from: bigint } {
  return hold.from !== undefined
}

function isExcused(hold: Hold, believer: Hold, revocations: readonly Revocation[]): boolean {
  if (hold.isThief && believer.until < hold.since + HEARD_NS) return true
  return revocations.some(({ lease, since, deadline }) => {
    if (since >= hold.since) return false
    if (lease !== undefined) return lease === believer.lease && believer.until < deadline
    return since > hold.since - HEARD_NS && believer.until < hold.since + HEARD_NS
  })
}

function revocationsIn(trace: readonly Line[]): Revocation[] {
  return trace
    .filter(({ event }) => event === 'revoking')
    .map(({ at, lease }) => {
      const answered = trace.find((line) => line.event === 'revoked' && line.lease === lease && isLater(line.at, at))
      return { lease, since: BigInt(at), deadline: deadlineOf(lease, answered?.at, trace) }
    })
}

/** By the last renewal that the server may have received before it had ended the lease. */
function deadlineOf(lease: string | undefined, revokedAt: string | undefined, trace: readonly Line[]): bigint {
  let deadline = 0n
  for (const { event, lease: renewed, sentAt = '0', ttlMs = 0 } of trace) {
    if (event !== 'renewed' || renewed !== lease) continue
    if (revokedAt !== undefined && isLater(sentAt, revokedAt)) continue
    const lastsMs = ttlMs - Math.max(LEAST_MARGIN_MS, ttlMs * MARGIN)
    const until = BigInt(sentAt) + BigInt(Math.round(lastsMs * 1e6))
    if (until > deadline) deadline = until
  }
  return deadline
}

function isLater(at: string, than: string): boolean {
  return BigInt(at) > BigInt(than)
}

/** Whether `later`, as it was when it first believed, can never hold together with the other one, or only as many of their kind. */
function excludes(other: Hold, later: Hold & { readonly from: bigint }): boolean {
  const isShared = other.permits === 0 || (other.sharedFrom !== undefined && other.sharedFrom <= later.from)
  return !isShared || later.permits !== 0
}

/** Somebody has used up the memory of the server. */
function isOutOfMemory({ event, message }: Line): boolean {
  return event === 'doing' && message === 'memory used up'
}

function findingsIn(line: Line, expected: ReadonlySet<string>): string[] {
  const { who, as, event, code, message } = line
  const said = `${who} ${as ?? ''}: ${event}: ${code ?? ''} ${message ?? ''}`
  if (event === 'unheard' || event === 'hung' || event === 'revived') return [said]
  const isExpected = code !== undefined && expected.has(code)
  return (event === 'failed' || event === 'lost' || event === 'denied') && !isExpected ? [said] : []
}

function describe({ who, as, token }: Hold): string {
  return `${who} ${as} (token ${token})`
}
