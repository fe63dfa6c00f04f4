import { permitsOf, takeOf } from './core/claim.ts'
import type { LockRequest, LockSnapshot } from './lock-state.ts'
import type { EngineSnapshot, Requester } from './requests/engine.ts'

/** Converts a holder or a waiter to what the API shows. */
export function toLockRequest({ claim, pid, sinceMs, label, command, self }: Requester): LockRequest {
  const permits = permitsOf(claim)
  const take = takeOf(claim)
  return {
    mode: claim.kind === 'shared' ? 'shared' : 'exclusive',
    ...(permits === undefined ? {} : { permits }),
    ...(take === undefined ? {} : { take }),
    ...(pid === undefined ? {} : { pid }),
    ...(sinceMs === undefined ? {} : { since: new Date(sinceMs) }),
    ...(label === undefined ? {} : { label }),
    ...(command === undefined ? {} : { command }),
    self,
  }
}

/** Converts a queue to what the API shows. */
export function toSnapshot({ held, pending, obstacle }: EngineSnapshot): LockSnapshot {
  const snapshot = { held: held.map(toLockRequest), pending: pending.map(toLockRequest) }
  return obstacle === undefined ? snapshot : { ...snapshot, obstacle }
}
