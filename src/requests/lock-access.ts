/** Who can use a lock that lives in a directory of this machine. */

/** Which processes can use a lock: `user`, processes of this user (and root); `group`, processes of the group of the lock's directory; `all`, processes of every user. */
export type LockAccess = 'user' | 'group' | 'all'

/** The values as messages list them. */
export const ACCESSES = "'user', 'group' or 'all'"

export function isAccess(value: unknown): value is LockAccess {
  return value === 'user' || value === 'group' || value === 'all'
}
