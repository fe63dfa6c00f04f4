/** Who can use a lock that lives in a directory of this machine. */

/** Processes of this user (and root), of the group of the lock's directory, or of all users. */
export type LockAccess = 'user' | 'group' | 'all'

/** For messages. */
export const ACCESSES = "'user', 'group' or 'all'"

export function isAccess(value: unknown): value is LockAccess {
  return value === 'user' || value === 'group' || value === 'all'
}
