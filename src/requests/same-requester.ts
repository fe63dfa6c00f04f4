import type { Requester } from './engine.ts'

/**
 * Whether two looks show the same holder. If its process did not answer one of them (a blocked event loop), the label and the time come from its
 * ticket, so comparing them would say nothing.
 */
export function isSameRequester(one: Requester, other: Requester): boolean {
  if (one.pid !== other.pid || one.client !== other.client || one.claim.kind !== other.claim.kind) return false
  if ((one.command === undefined) !== (other.command === undefined)) return true
  const haveNs = one.sinceNs !== undefined && other.sinceNs !== undefined
  const isSameTime = haveNs ? one.sinceNs === other.sinceNs : one.sinceMs === other.sinceMs
  return isSameTime && one.label === other.label
}
