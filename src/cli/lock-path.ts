/** Checks the path of a lock that was given on the command line. */
import path from 'node:path'
import { checkPathOnWindows } from '../engines/local/windows/index.ts'
import { UsageError } from './exit-status.ts'

/** On Windows, refuses names such as NUL, and names that no file can have. The request for the lock reports everything else that is wrong with the path. @throws UsageError */
export function checkLockPath(lock: string): void {
  if (process.platform !== 'win32') return
  try {
    checkPathOnWindows(path.resolve(lock))
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message)
  }
}
