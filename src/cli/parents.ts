import fs from 'node:fs'
import path from 'node:path'
import { toSlocketError } from '../engines/local/platform/system-error.ts'

/**
 * Makes the directories above the lock that are missing, as `mkdir -p` does. They stay.
 *
 * @throws what a system error means, as a SlocketError: ERR_SLOCKET_PERMISSION, ERR_SLOCKET_NO_PARENT if something else is in the way, ….
 */
export function makeParents(lock: string): void {
  const parent = path.dirname(path.resolve(lock))
  try {
    fs.mkdirSync(parent, { recursive: true })
  } catch (error) {
    throw toSlocketError(error, 'make the directory', parent)
  }
}
