/** The facts of a grant: its token grows, it has `recovered` after a holder died, and a holder is notified of its loss. */
import { heldUntil } from './exclusion.ts'
import type { Finding } from './finding.ts'
import type { History, TracedRequest } from './history.ts'

/** How soon a loss must be noticed, in ns: holders check once a second; the rest is for a busy machine. */
const NOTICED_NS = 3e9

export function checkTokens(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    const granted = grantsFor(history, lock)
    const findings: Finding[] = []
    let next = 0
    let highest = -1n
    // Requests that were granted before this one was made are earlier holders.
    for (const request of granted.toSorted((a, b) => a.askedAt - b.askedAt)) {
      for (; next < granted.length && granted[next]!.grantedAt < request.askedAt; next += 1) {
        if (granted[next]!.token > highest) highest = granted[next]!.token
      }
      if (request.token > highest) continue
      const what = `the token ${request.token} of ${request.request} is not larger than ${highest}, of an earlier holder`
      findings.push({ rule: 'token', at: request.grantedAt, what })
    }
    return findings
  })
}

/** After an exclusive holder, or a holder of a permit, has died, the next one of these must have `recovered`. */
export function checkRecovered(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    if (history.removals.has(lock)) return []
    const granted = grantsFor(history, lock).filter(({ claim }) => claim !== 'shared')
    return granted.flatMap((dead) => {
      const diedAt = history.lives.livedUntil(dead.who)
      // It may have released: it had begun to when it was about to be killed.
      if (dead.grantedAt >= diedAt || diedAt === Infinity || dead.releasedAt !== Infinity) return []
      // It may have been shared by then.
      if (dead.downgradedAt !== Infinity) return []
      const after = granted.filter(({ grantedAt }) => grantedAt > diedAt)
      // With permits, the dead ticket may have been removed by a grant to a request that was made before, or whose event loop
      // had not noticed the death yet (guarantee 7).
      const deadFrom = history.lives.deadFrom(dead.who)
      const isCertain = ({ who, askedAt }: TracedRequest): boolean =>
        dead.claim === 'exclusive' || history.lives.wentRound(who, { from: deadFrom, to: askedAt })
      const end = after.findIndex(isCertain)
      if (end === -1 || after.slice(0, end + 1).some(({ recovered }) => recovered)) return []
      const what = `${dead.request} died as the holder, but ${after[end]!.request}, granted after it, does not have recovered`
      return [{ rule: 'recovered', at: after[end]!.grantedAt, what }]
    })
  })
}

/** A holder is notified if its directory is removed, unless it releases or ends first, or can't react. */
export function checkLosses(history: History): Finding[] {
  return history.requests.flatMap((request) => {
    const removal = history.removals.get(request.lock)?.find(({ from }) => request.grantedAt < from)
    if (removal === undefined || heldUntil(history, request) < removal.from) return []
    const deadline = removal.to + NOTICED_NS
    const over = Math.min(request.releasedAt, request.lostAt, history.lives.livedUntil(request.who))
    if (over <= deadline || history.endsAt <= deadline) return []
    const isIdle = history.lives.idleSpans(request.who).some(({ from, to }) => to > removal.from && from < deadline)
    if (isIdle) return []
    return [{ rule: 'loss', at: deadline, what: `${request.request} was not notified of its loss` }]
  })
}

/** All grants of the lock, in order of time. */
function grantsFor(history: History, lock: string): TracedRequest[] {
  return history
    .requestsFor(lock)
    .filter(({ grantedAt }) => grantedAt !== Infinity)
    .sort((a, b) => a.grantedAt - b.grantedAt)
}
