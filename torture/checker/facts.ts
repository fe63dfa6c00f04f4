/** What a grant says: its token is larger than those before; it tells of a holder that died; a loss is told. */
import { heldUntil } from './exclusion.ts'
import type { Finding } from './finding.ts'
import type { History, TracedRequest } from './history.ts'

/** How soon a loss is to be noticed, in ns: a look each second, and as much again, and more for a busy machine. */
const NOTICED_NS = 3e9

export function checkTokens(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    const granted = grantsFor(history, lock)
    const findings: Finding[] = []
    let next = 0
    let highest = -1n
    // Everybody who was granted before this one even asked is an earlier holder.
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

/** After one that died holding, not merely sharing, the next one that does not share has recovered. */
export function checkRecovered(history: History): Finding[] {
  return history.locks.flatMap((lock) => {
    if (history.removals.has(lock)) return []
    const granted = grantsFor(history, lock).filter(({ claim }) => claim !== 'shared')
    return granted.flatMap((dead) => {
      const diedAt = history.lives.livedUntil(dead.who)
      // One that began to release when it was about to be killed may have done so.
      if (dead.grantedAt >= diedAt || diedAt === Infinity || dead.releasedAt !== Infinity) return []
      // It may have shared by then.
      if (dead.downgradedAt !== Infinity) return []
      const after = granted.filter(({ grantedAt }) => grantedAt > diedAt)
      // A permit may have been granted, and buried the dead one, to somebody who asked before; or to somebody whose event loop
      // had not met the death yet (guarantee 7).
      const deadFrom = history.lives.deadFrom(dead.who)
      const isCertain = ({ who, askedAt }: TracedRequest): boolean =>
        dead.claim === 'exclusive' || history.lives.wentRound(who, { from: deadFrom, to: askedAt })
      const end = after.findIndex(isCertain)
      if (end === -1 || after.slice(0, end + 1).some(({ recovered }) => recovered)) return []
      const what = `${dead.request} died holding, and ${after[end]!.request}, granted after it, has not recovered`
      return [{ rule: 'recovered', at: after[end]!.grantedAt, what }]
    })
  })
}

/** Who holds when the directory is removed is told, unless it releases or ends first, or cannot react. */
export function checkLosses(history: History): Finding[] {
  return history.requests.flatMap((request) => {
    const removal = history.removals.get(request.lock)?.find(({ from }) => request.grantedAt < from)
    if (removal === undefined || heldUntil(history, request) < removal.from) return []
    const deadline = removal.to + NOTICED_NS
    const over = Math.min(request.releasedAt, request.lostAt, history.lives.livedUntil(request.who))
    if (over <= deadline || history.endsAt <= deadline) return []
    const isIdle = history.lives.idleSpans(request.who).some(({ from, to }) => to > removal.from && from < deadline)
    if (isIdle) return []
    return [{ rule: 'loss', at: deadline, what: `${request.request} was not told of its loss` }]
  })
}

/** All grants for the lock, in the order of their moments. */
function grantsFor(history: History, lock: string): TracedRequest[] {
  return history
    .requestsFor(lock)
    .filter(({ grantedAt }) => grantedAt !== Infinity)
    .sort((a, b) => a.grantedAt - b.grantedAt)
}
