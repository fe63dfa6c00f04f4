/** What there is not on Windows. */
import type { LockAccess } from '../../../requests/lock-access.ts'
import { SlocketError } from '../../../errors.ts'

function unsupported(what: string): SlocketError {
  return new SlocketError('ERR_SLOCKET_UNSUPPORTED_PLATFORM', `on Windows there is no ${what}`)
}

/** @throws ERR_SLOCKET_UNSUPPORTED_PLATFORM if there is one. */
export function refuseAccess(access: LockAccess | undefined): void {
  if (access === undefined) return
  throw unsupported("option access: who can use a lock follows from its parent directory's permissions")
}
