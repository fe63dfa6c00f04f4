import { permitsOf, takeOf } from './core/claim.ts'
import type { LockRequest } from './lock-state.ts'
import type { Requester } from './requests/engine.ts'

/** What the API shows of a holder or a waiter. */
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
