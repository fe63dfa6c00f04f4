/** What there is not on Windows. */
import type { Claim } from '../../../core/claim.ts'
import { describeClaim } from '../../../core/claim.ts'
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

/** Each permit is a file that its holder has open: guard.ts. */
const MOST_TAKEN = 100

/** @throws RangeError if the claim takes more permits than one request can take here. */
export function refuseManyPermits(claim: Claim): void {
  if (claim.kind !== 'permit' || claim.take <= MOST_TAKEN) return
  throw new RangeError(
    `take must be ${MOST_TAKEN} at most on Windows, since each permit is an open file, but was ${claim.take} (${describeClaim(claim)})`,
  )
}
