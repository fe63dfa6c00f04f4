/** The error of a lock that can't be downgraded. */
import { SlocketError } from '../errors.ts'

export function cannotDowngrade(): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_NO_DOWNGRADE',
    "the engine of the lock can't downgrade: release it, and acquire it again with mode: 'shared'",
  )
}
