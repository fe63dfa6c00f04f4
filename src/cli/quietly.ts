/** Reads files that may be gone or hidden when they are read, mostly in /proc. */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** Undefined if the system refuses, or if it is gone. */
export function quietly<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}

/** Empty if they cannot be listed. */
export function namesIn(directory: string): string[] {
  return quietly(() => fs.readdirSync(directory)) ?? []
}

/** Returns the target of a link; an empty string if it cannot be read. */
export function linkOf(file: string): string {
  return quietly(() => fs.readlinkSync(file)) ?? ''
}
