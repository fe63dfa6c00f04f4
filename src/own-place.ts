/** Finds the place of the caller's own request among the waiters. */
import type { Requester } from './requests/engine.ts'

/** A request that stood in the queue when the look was made. */
export interface OwnWait {
  readonly label: string | undefined
  /** When it was made, by the wall clock, in ms. */
  readonly sinceMs: number
  /** The `AcquireRequest.identity` that it was made with. */
  readonly identity: object
}

/**
 * Counts the waiters ahead of the caller's own request. It is found by its identity, or, if the engine doesn't report that, by its label and time. The clock of a server may differ from that of this process.
 *
 * @param own undefined for a request that never waits.
 */
export function countAhead(pending: readonly Requester[], own: OwnWait | undefined): number {
  if (own === undefined) return pending.length
  const place = pending.findIndex(({ identity }) => identity === own.identity)
  if (place !== -1) return place
  const isLikeOwn = ({ self, label, identity }: Requester): boolean =>
    self && label === own.label && identity === undefined
  const index = pending.findIndex((request) => isLikeOwn(request) && (request.sinceMs ?? 0) >= own.sinceMs)
  if (index !== -1) return index
  const last = pending.findLastIndex(isLikeOwn)
  return last === -1 ? pending.filter(({ sinceMs = 0 }) => sinceMs <= own.sinceMs).length : last
}
