/** The default directory of this user's named locks: `$XDG_RUNTIME_DIR/slocket`, otherwise `slocket-UID` in the directory of temporary files. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { SlocketError, systemCode } from '../../../errors.ts'
import { giveToOwner } from '../platform/access.ts'
import { toSlocketError } from '../platform/system-error.ts'

const MODE = 0o700

/** Creates it if it is missing. @throws ERR_SLOCKET_PERMISSION if another user has made it, or can write in it. */
export function defaultRoot(): string {
  const runtime = process.env['XDG_RUNTIME_DIR']
  const uid = ownUid()
  if (runtime !== undefined && path.isAbsolute(runtime) && isOwned(runtime, uid))
    return makeOwn(path.join(runtime, 'slocket'))
  // Made absolute, since TMPDIR may be relative: the working directory may change.
  return makeOwn(path.resolve(os.tmpdir(), `slocket-${uid}`))
}

/** A value that was left over from another user's environment (su) isn't used. */
function isOwned(directory: string, uid: number): boolean {
  const stats = look(directory)
  return stats?.isDirectory() === true && stats.uid === uid
}

function ownUid(): number {
  return process.getuid?.() ?? os.userInfo().uid
}

/** Creates the directory if it is missing. @throws as {@link defaultRoot}. */
export function makeOwn(directory: string): string {
  try {
    fs.mkdirSync(directory, MODE)
    giveToOwner(directory)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw toSlocketError(error, 'make', directory)
  }
  const stats = look(directory)
  // A symbolic link doesn't count as a directory: nothing is followed that another user may have made.
  if (stats?.isDirectory() === true && stats.uid === ownUid() && (stats.mode & 0o022) === 0) return directory
  throw new SlocketError(
    'ERR_SLOCKET_PERMISSION',
    `'${directory}' is not a directory of this user's own, in which nobody else can write: remove it, or give LockManager a root`,
  )
}

function look(directory: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(directory, { throwIfNoEntry: false })
  } catch (error) {
    throw toSlocketError(error, 'look at', directory)
  }
}
