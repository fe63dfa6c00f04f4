/** Text files of /proc. */
import fs from 'node:fs'

/** Undefined where the file cannot be read: the caller says what that means. */
export function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
