/** `lockPathFor`: returns one path of a lock for one file, the same for every caller and for every name of the file. */
import fs from 'node:fs'
import path from 'node:path'
import { systemCode } from '../../errors.ts'
import { parsePath } from '../../requests/arguments.ts'
import { toSlocketError } from './platform/system-error.ts'

/** How many links whose targets don't exist yet are followed for one path, in all of its parts. The kernel follows as many. */
const MOST_LINKS = 40

/**
 * Returns the path of the lock for a file: the file's real path, and `.lock`. It is the same for every caller, whatever relative path or symbolic link
 * names the file, and the same that proper-lockfile uses. It only looks, and creates nothing.
 *
 * The file need not exist yet. Then its directory is resolved, as far as that exists; a link whose target doesn't exist leads to the file that opening it would create.
 * Hard links count as different files. If the file, or a directory of its path, is replaced by a link, the lock is another one from then on.
 *
 * ```js
 * import slocket, { lockPathFor } from 'slocket'
 *
 * await slocket.with(lockPathFor('/tmp/settings.json'), () => console.log('nobody else changes the settings'))
 * ```
 *
 * @param file the path of a file or a directory, relative to the working directory or absolute, or its `file:` URL.
 * @returns an absolute path next to the file.
 * @throws TypeError for a wrong argument; ERR_SLOCKET_NO_PARENT if a part of the path isn't a directory, or if the path is relative and the working
 * directory is gone; ERR_SLOCKET_PERMISSION, ERR_SLOCKET_PATH_TOO_LONG, ERR_SLOCKET_NOT_A_LOCK for links that lead in a circle, ERR_SLOCKET_SYSTEM.
 */
export function lockPathFor(file: string | URL): string {
  const given = parsePath(file)
  try {
    return `${realPathOf(given, { links: MOST_LINKS })}.lock`
  } catch (error) {
    throw toSlocketError(error, 'find the real path of', given)
  }
}

/**
 * @param left how many links whose targets don't exist may still be followed, by all calls for one path together. If each call counted for itself, links whose
 * targets lead through further links would take exponential time.
 * @throws the system's error.
 */
function realPathOf(file: string, left: { links: number }): string {
  try {
    // As the system resolves it: `..` after a link leads to the parent of its target.
    return fs.realpathSync.native(file)
  } catch (error) {
    const above = path.dirname(file)
    // The working directory is gone.
    if (systemCode(error) !== 'ENOENT' || above === file) throw error
    const place = path.join(realPathOf(above, left), path.basename(file))
    const target = targetOf(place)
    if (target === undefined) return place
    if (left.links === 0) throw error
    left.links -= 1
    return realPathOf(path.isAbsolute(target) ? target : `${path.dirname(place)}${path.sep}${target}`, left)
  }
}

/** Where a link leads. Undefined if it isn't a link, or isn't there. */
function targetOf(place: string): string | undefined {
  try {
    return fs.readlinkSync(place)
  } catch (error) {
    const code = systemCode(error)
    // UNKNOWN: what Windows says of some files.
    if (code === 'EINVAL' || code === 'ENOENT' || code === 'UNKNOWN') return undefined
    throw error
  }
}
