/** Checks the path of a lock that was given on the command line. */
import path from 'node:path'
import { checkWindowsPath } from '../engines/local/windows/paths.ts'
import { UsageError } from './exit-status.ts'

/** On Windows, refuses names such as NUL, and names that no file can have. The request for the lock reports everything else that is wrong with the path. @throws UsageError */
export function checkLockPath(lock: string): void {
  if (process.platform !== 'win32') return
  try {
    checkWindowsPath(path.resolve(lock))
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
  }
}
