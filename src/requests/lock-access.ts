/** Who can use a lock that lives in a directory of this machine. */

/** Which processes can use a lock: `user`, those of this user (and root); `group`, those of the group of the lock's directory; `all`, those of every user. */
export type LockAccess = 'user' | 'group' | 'all'

/** For messages. */
export const ACCESSES = "'user', 'group' or 'all'"

export function isAccess(value: unknown): value is LockAccess {
  return value === 'user' || value === 'group' || value === 'all'
}
