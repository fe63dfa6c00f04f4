/**
 * Encodes names of locks, which may be any string of UTF-16, as names of files, and decodes them.
 *
 *  1. Two names are two files, even if the file system folds case or Unicode: only a-z, 0-9, '.', '_' and '-' stand for themselves;
 *     everything else is `%xx` or `%uxxxx`, by code unit, so that a lone surrogate isn't a special case.
 *  2. No file begins with a dot: `.members`, `.` and `..` are never names of locks.
 *  3. If the file name would be too long, it is a hash, `%h…`; the name itself is in a file of its own: long-names.ts.
 */
import { builtInCrypto } from '../platform/built-in.ts'

/** File names may have 255 bytes; on some encrypted file systems 143. */
const MAX_FILE = 140
/** The name of length zero. */
const EMPTY = '%e'
const HASH = '%h'
const HASH_DIGITS = 64

/** The file name of a lock. */
export function encodeName(name: string): string {
  if (name === '') return EMPTY
  if (name.length <= MAX_FILE) {
    const file = name.replaceAll(/[^a-z0-9._-]|^\./g, encodeUnit)
    if (file.length <= MAX_FILE) return file
  }
  return hashedFile(Buffer.from(name, 'utf16le'))
}

/** Returns the name of a lock. Undefined if the file is named by a hash, or isn't that of a lock. */
export function decodeName(file: string): string | undefined {
  if (file === EMPTY) return ''
  if (!/^(?:[a-z0-9_-]|%[0-9a-f]{2}|%u[0-9a-f]{4})(?:[a-z0-9._-]|%[0-9a-f]{2}|%u[0-9a-f]{4})*$/.test(file))
    return undefined
  const name = file.replaceAll(/%u([0-9a-f]{4})|%([0-9a-f]{2})/g, (_, long: string | undefined, short: string) =>
    String.fromCharCode(Number.parseInt(long ?? short, 16)),
  )
  return encodeName(name) === file ? name : undefined
}

/** Whether the file is named by the hash of its lock's name. */
export function isHashed(file: string): boolean {
  return file.length === HASH.length + HASH_DIGITS && file.startsWith(HASH)
}

/** The file name of the lock whose name `bytes` are, in UTF-16. */
export function hashedFile(bytes: Buffer): string {
  return HASH + hashOf(bytes)
}

function hashOf(bytes: Buffer): string {
  return builtInCrypto().createHash('sha256').update(bytes).digest('hex')
}

// Without the flag `u`, a regular expression matches code units.
function encodeUnit(unit: string): string {
  const code = unit.charCodeAt(0)
  return code > 0xff ? `%u${code.toString(16).padStart(4, '0')}` : `%${code.toString(16).padStart(2, '0')}`
}
