/** How long it took from the kill of a holder until the next one had the lock. */
import type { Chronicle, Granted, Killed, Stopped } from './chronicle.ts'
import { nsToMs } from './messages.ts'

export interface Takeover {
  readonly kill: Killed
  readonly next: Granted
  readonly ms: number
}

/** The grant that came next after the one that the killed held: by token, since messages of two workers may cross. */
export function successorOf({ held }: Killed, grants: readonly Granted[]): Granted | undefined {
  let next: Granted | undefined
  if (held === undefined) return undefined
  for (const grant of grants) {
    if (grant.token > held.token && (next === undefined || grant.token < next.token)) next = grant
  }
  return next
}

/**
 * Those takeovers that tell how quick the lock is: somebody waited when the holder was killed, and was not stopped itself
 * (its turn has come then all the same, and nobody may pass it).
 */
export function takeovers({ kills, grants, stops }: Chronicle): Takeover[] {
  const found: Takeover[] = []
  for (const kill of kills) {
    const next = successorOf(kill, grants)
    if (next === undefined || next.askedNs > kill.atNs) continue
    if (wasStoppedBetween(kill, next, { kills, stops })) continue
    found.push({ kill, next, ms: nsToMs(next.atNs - kill.atNs) })
  }
  return found
}

/** Whether the next one, or one ahead of it that was killed before its turn came, was stopped meanwhile. */
function wasStoppedBetween(
  kill: Killed,
  next: Granted,
  { kills, stops }: { kills: readonly Killed[]; stops: readonly Stopped[] },
): boolean {
  const pids = new Set([next.pid])
  for (const other of kills) if (other.atNs > kill.atNs && other.atNs < next.atNs) pids.add(other.pid)
  return stops.some(({ pid, fromNs, toNs }) => {
    return pids.has(pid) && fromNs < next.atNs && (toNs === undefined || toNs > kill.atNs)
  })
}

/** Undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)]
  return sorted.length === 0 ? undefined : (sorted[middle - 1]! + sorted[middle]!) / 2
}
