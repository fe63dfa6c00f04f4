/**
 * The checker: finds violations in the traces of a round. It doesn't know how the lock works, only what is promised
 * (docs/guarantees.md). It relies only on what is certain, so each finding is real.
 */
import type { TraceEvent } from '../trace/event.ts'
import { checkExclusion } from './exclusion.ts'
import { checkLosses, checkRecovered, checkTokens } from './facts.ts'
import type { Finding } from './finding.ts'
import { History } from './history.ts'
import { checkOrder } from './order.ts'
import { checkWaits } from './waits.ts'

const RULES: readonly ((history: History) => Finding[])[] = [
  checkExclusion,
  checkOrder,
  checkWaits,
  checkTokens,
  checkRecovered,
  checkLosses,
]

export function check(events: readonly TraceEvent[]): Finding[] {
  const history = new History(events)
  const blamed = events.flatMap((event): Finding[] =>
    event.kind === 'blame' ? [{ rule: 'client', at: event.at, what: `${event.who}: ${event.what}` }] : [],
  )
  return [...blamed, ...RULES.flatMap((rule) => rule(history))].sort((a, b) => a.at - b.at)
}
