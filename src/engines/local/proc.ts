/**
 * What /proc tells. Undefined where it tells nothing: the caller says what that means. A want of descriptors or memory is no
 * such answer, since it passes, and what is read here is kept for good.
 */
import fs from 'node:fs'
import { makeRoom } from '../../contract/idle.ts'
import { systemCode } from '../../errors.ts'
import { toSlocketError } from './system-error.ts'

/** @throws ERR_SLOCKET_RESOURCES. */
export function readText(path: string): string | undefined {
  return read(path, () => fs.readFileSync(path, 'utf8'))
}

/** @throws ERR_SLOCKET_RESOURCES. */
export function readNames(path: string): string[] | undefined {
  return read(path, () => fs.readdirSync(path))
}

const PASSING: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

function read<T>(path: string, how: () => T): T | undefined {
  try {
    return how()
  } catch (error) {
    if (!PASSING.has(systemCode(error) ?? '')) return undefined
    makeRoom(toSlocketError(error, 'read', path))
    return read(path, how)
  }
}
