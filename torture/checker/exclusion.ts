/** Exclusion: no more hold at one time than their claims allow, as those who hold have seen it themselves. */
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
 * Of permits, one that stands behind may learn of its turn first. So they may hold together if in some order each had room beside those before it: if there
 * is such an order, it is that of their numbers.
 */
function mayHoldBeside(request: TracedRequest, beside: readonly TracedRequest[]): boolean {
  if (permitsOf(request.claim) === undefined) return beside.length === 0
  const permits = [request, ...beside].flatMap(({ claim }) => permitsOf(claim) ?? [])
  if (permits.length <= beside.length) return false
  let taken = 0
  return permits.sort((a, b) => a.permits - b.permits).every((one) => (taken += one.take) <= one.permits)
}

/** Up to when it certainly held by right: until it released, may have died, or its directory was removed. */
export function heldUntil({ lives, removals }: History, request: TracedRequest): number {
  const removal = removals.get(request.lock)?.find(({ to }) => request.askedAt < to)
  return Math.min(request.releasedAt, request.lostAt, lives.livedUntil(request.who), removal?.from ?? Infinity)
}
