/**
 * Facts that the system may show, above all in /proc. Undefined if it doesn't show them; the caller decides what that means. A lack
 * of descriptors or memory is an error instead, since it is temporary, and what is read here is kept.
 */
import fs from 'node:fs'
import { makeRoom } from '../../../requests/idle.ts'
import { systemCode } from '../../../errors.ts'
import { isBsd } from './bsd.ts'
import { toSlocketError } from './system-error.ts'

/** @throws ERR_SLOCKET_RESOURCES. */
export function readText(path: string): string | undefined {
  return unlessMissing(path, () => fs.readFileSync(path, 'utf8'))
}

/** @throws ERR_SLOCKET_RESOURCES. */
export function readNames(path: string): string[] | undefined {
  return unlessMissing(path, () => fs.readdirSync(path))
}

/** Whether a directory can be reached by an open descriptor. @throws ERR_SLOCKET_PERMISSION if Node's permission model refuses the look. */
export function hasDescriptorPaths(): boolean {
  // NetBSD may have that directory; nothing is reached by it.
  if (isBsd) return false
  const path = '/proc/self/fd'
  try {
    return fs.existsSync(path)
  } catch (error) {
    throw toSlocketError(error, 'look at', path)
  }
}

const PASSING: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/**
 * Returns what `look` returns; undefined if the system refuses it.
 *
 * @param isThrown picks the errors that are thrown instead. Default: none.
 * @throws ERR_SLOCKET_RESOURCES; what `isThrown` picks.
 */
export function unlessMissing<T>(path: string, look: () => T, isThrown?: (error: unknown) => boolean): T | undefined {
  try {
    return look()
  } catch (error) {
    if (isThrown?.(error) === true) throw error
    // Deno's refusals have no code.
    if (!PASSING.has(systemCode(error) ?? '')) return undefined
    makeRoom(toSlocketError(error, 'read', path))
    return unlessMissing(path, look, isThrown)
  }
}
