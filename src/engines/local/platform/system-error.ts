/** Converts system errors to errors of this package. */
import { SlocketError, systemCode } from '../../../errors.ts'
import type { SlocketErrorCode } from '../../../errors.ts'

const MEANINGS: Readonly<Record<string, readonly [SlocketErrorCode, string]>> = {
  EACCES: [
    'ERR_SLOCKET_PERMISSION',
    'permission denied; the lock directory, or its sockets, belong to another user (see the option `access`)',
  ],
  EPERM: ['ERR_SLOCKET_PERMISSION', 'operation not permitted, by the file system or the system; use another directory'],
  EROFS: ['ERR_SLOCKET_READ_ONLY', 'the file system is read-only; use a path on another one, such as below /run'],
  EMFILE: ['ERR_SLOCKET_RESOURCES', 'this process has too many open files (raise `ulimit -n`)'],
  ENFILE: ['ERR_SLOCKET_RESOURCES', 'the system has too many open files'],
  ENOSPC: ['ERR_SLOCKET_RESOURCES', 'no space left on the device'],
  EDQUOT: ['ERR_SLOCKET_RESOURCES', 'disk quota exceeded'],
  ENOMEM: ['ERR_SLOCKET_RESOURCES', 'out of memory'],
  ENOBUFS: ['ERR_SLOCKET_RESOURCES', 'the kernel is out of buffers'],
  EMLINK: ['ERR_SLOCKET_RESOURCES', 'too many hard links to one socket'],
  ENAMETOOLONG: [
    'ERR_SLOCKET_PATH_TOO_LONG',
    'the path, or one name in it, is too long for the file system; use a shorter one',
  ],
  ENOENT: [
    'ERR_SLOCKET_NO_PARENT',
    'the parent directory does not exist; create it (for a lock at a path, the option `parents` does that)',
  ],
  ENOTDIR: ['ERR_SLOCKET_NO_PARENT', 'a part of the path is not a directory; check the path'],
  ELOOP: ['ERR_SLOCKET_NOT_A_LOCK', 'too many symbolic links in the path'],
}

/** @param step what was being done, to complete `cannot …`. */
export function toSlocketError(error: unknown, step: string, path: string): SlocketError {
  const code = systemCode(error)
  const [slocketCode, meaning] =
    code === 'ERR_ACCESS_DENIED'
      ? refusedByNode(error)
      : (MEANINGS[code ?? ''] ?? ['ERR_SLOCKET_SYSTEM', String(error)])
  return new SlocketError(
    slocketCode,
    `cannot ${step} '${path}': ${meaning}${code === undefined ? '' : ` (${code})`}`,
    {
      cause: error,
    },
  )
}

/** What was refused, and what a lock needs: the user has not named any path in /proc. */
function refusedByNode(error: unknown): readonly [SlocketErrorCode, string] {
  const { permission = 'Net', resource = '' } = error as { permission?: string; resource?: string }
  // What `connect` says names no permission.
  if (permission === 'Net') {
    return [
      'ERR_SLOCKET_PERMISSION',
      "Node's permission model refuses Unix sockets, which count as network since Node 26; give Node --allow-net",
    ]
  }
  // A call that no grant allows, such as fchmod.
  if (permission === '') {
    return ['ERR_SLOCKET_PERMISSION', `Node's permission model refuses it: ${(error as Error).message}`]
  }
  const grants = "for the lock's directory, --allow-fs-read=/proc/ and --allow-fs-write=/proc/self/fd/"
  return [
    'ERR_SLOCKET_PERMISSION',
    `Node's permission model refuses ${permission} of '${resource}'; give Node --allow-fs-read and --allow-fs-write ${grants}`,
  ]
}

/** Codes for a file system without hard links. EXDEV: a union file system would have to link from one of its branches to another. */
export const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV'])

/** Whether the error means that a name doesn't exist. */
export function isGone(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}
