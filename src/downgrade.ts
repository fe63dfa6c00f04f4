/** What `lock.downgrade()` does. */
import type { Grant } from './requests/engine.ts'
import { SlocketError } from './errors.ts'
import type { Lock } from './lock.ts'
import { publishDowngraded } from './lock-traces.ts'

/** The locks that were to be downgraded, as long as it isn't known that their engine has done it. */
const unfinished = new WeakSet<Lock>()

/** @param becomeShared makes the lock a shared one for its holder. */
export async function downgradeLock(lock: Lock, grant: Grant, becomeShared: () => void): Promise<void> {
  if (lock.permits !== undefined) {
    throw new TypeError(`the lock '${lock.name}' is a permit, which can't be downgraded: release it`)
  }
  lock.assertHeld()
  if (lock.mode === 'shared' && !unfinished.has(lock)) return
  if (grant.downgrade === undefined) throw cannotDowngrade(lock.name)
  if (lock.mode !== 'shared') {
    // First: others may share even if this fails.
    unfinished.add(lock)
    becomeShared()
    if (grant.isNested !== true) publishDowngraded(lock)
  }
  await grant.downgrade()
  // It may have been lost or released meanwhile.
  lock.assertHeld()
  unfinished.delete(lock)
}

function cannotDowngrade(name: string): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_NO_DOWNGRADE',
    `the engine of the lock '${name}' can't downgrade it: release it, and acquire it again with mode: 'shared'`,
  )
}
