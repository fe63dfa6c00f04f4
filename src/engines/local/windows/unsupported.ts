/** What there is not on Windows. */
import type { Claim } from '../../../core/claim.ts'
import { describeClaim } from '../../../core/claim.ts'
import type { Ticket, TicketIdentity } from '../../../core/ticket.ts'
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

/** A permit has one guard (guard.ts). @throws TypeError, as `refuseTake` of the API. */
export function refuseSeveralPermits(claim: Claim): void {
  if (claim.kind !== 'permit' || claim.take === 1) return
  throw new TypeError('take must be 1: on Windows nobody can take several permits at once')
}

/**
 * Holders with a larger number of permits may have the guards of those with a smaller one.
 *
 * @param listing tickets ahead of `own`. Tickets that aren't proven alive are waited for.
 * @throws ERR_SLOCKET_CLAIM_MISMATCH if one of them has another number of permits.
 */
export function refuseOtherNumber({ claim }: TicketIdentity, listing: readonly Ticket[]): void {
  if (claim.kind !== 'permit') return
  const isOther = (ticket: Ticket): boolean =>
    ticket.live && ticket.claim.kind === 'permit' && ticket.claim.permits !== claim.permits
  const other = listing.find(isOther)
  if (other === undefined) return
  throw new SlocketError(
    'ERR_SLOCKET_CLAIM_MISMATCH',
    `asked for ${describeClaim(claim)}, but the queue holds ${describeClaim(other.claim)}: ` +
      'on Windows all users of a lock must give the same number of permits',
  )
}
