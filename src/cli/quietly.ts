/** Looks at what may be gone, or not be shown, by the time that it is looked at: in /proc, above all. */
import fs from 'node:fs'
import { systemCode } from '../errors.ts'

/** Undefined where the system refuses, or it is gone. */
export function quietly<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}

/** None where they cannot be listed. */
export function namesIn(directory: string): string[] {
  return quietly(() => fs.readdirSync(directory)) ?? []
}

/** What a link leads to; nothing where it cannot be read. */
export function linkOf(file: string): string {
  return quietly(() => fs.readlinkSync(file)) ?? ''
}
