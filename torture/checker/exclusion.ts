/** Exclusion: no more requests hold at the same time than their claims allow, according to the holders themselves. */
import type { Finding } from './finding.ts'
import type { History, TracedRequest } from './history.ts'
import { permitsOf } from '../trace/event.ts'
import { claimAt, isInTheWay } from './history.ts'

export function checkExclusion(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    const holds = history
      .requestsFor(lock)
      .map((request) => ({ request, from: request.grantedAt, to: heldUntil(history, request) }))
      .filter(({ from, to }) => from < to)
      .sort((a, b) => a.from - b.from)
    const findings: Finding[] = []
    let holding: typeof holds = []
    for (const hold of holds) {
      holding = holding.filter(({ to }) => to > hold.from)
      const { request } = hold
      const beside = holding.filter((other) =>
        isInTheWay(request.claim, claimAt(other.request, other.request.downgradedAt, hold.from)),
      )
      if (
        !mayHoldBeside(
          request,
          beside.map((other) => other.request),
        )
      ) {
        const others = beside.map((other) => `${other.request.request} (${other.request.claim})`).join(', ')
        const what = `${request.request} (${request.claim}) was granted while ${others} held`
        findings.push({ rule: 'exclusion', at: hold.from, what })
      }
      holding.push(hold)
    }
    return findings
  })
}

/**
 * With permits, a ticket may notice its turn before the tickets ahead of it do. So requests may hold together if there is an order in which each of them had room
 * beside those before it. If there is such an order, it is that of their numbers.
 */
function mayHoldBeside(request: TracedRequest, beside: readonly TracedRequest[]): boolean {
  if (permitsOf(request.claim) === undefined) return beside.length === 0
  const permits = [request, ...beside].flatMap(({ claim }) => permitsOf(claim) ?? [])
  if (permits.length <= beside.length) return false
  let taken = 0
  return permits.sort((a, b) => a.permits - b.permits).every((one) => (taken += one.take) <= one.permits)
}

/** The end of the time in which it certainly held: it released, may have died, or its directory was removed. */
export function heldUntil({ lives, removals }: History, request: TracedRequest): number {
  const removal = removals.get(request.lock)?.find(({ to }) => request.askedAt < to)
  return Math.min(request.releasedAt, request.lostAt, lives.livedUntil(request.who), removal?.from ?? Infinity)
}
