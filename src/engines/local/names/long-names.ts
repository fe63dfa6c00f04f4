/**
 * Names too long for a file name: their files are named by a hash. Each member that uses such a name writes it into a file,
 * `.members/HASH.MEMBER`, for `query` of other processes to read. The file is removed when the member has no ticket for that name any more, or with
 * everything else that a dead member leaves.
 *
 * A file is believed only if its content has that hash, so it does no harm if it is incomplete or wrong.
 */
import fs from 'node:fs'
import { systemCode } from '../../../errors.ts'
import { debug } from '../../../debug.ts'
import { MEMBERS } from '../ticket-name.ts'
import { hashedFile, isHashed } from './name-coding.ts'
import type { RootDirectory } from './name-directory.ts'

/** The mode: readable by every user that can enter the root's `.members`. */
const READABLE = 0o644
const HASHED_LENGTH = hashedFile(Buffer.alloc(0)).length

export class LongNames {
  readonly #root: RootDirectory
  /** The names that were written, by the file of the lock. */
  readonly #written = new Map<string, string>()

  constructor(root: RootDirectory) {
    this.#root = root
  }

  /** If it cannot be written, `query` of other processes does not show the name; nothing else depends on it. */
  write(file: string, name: string, member: string): void {
    const entry = `${MEMBERS}/${file}.${member}`
    this.#written.set(file, entry)
    try {
      writeNew(this.#root.pathOf(entry), Buffer.from(name, 'utf16le'), this.#root.isShared)
    } catch (error) {
      if (systemCode(error) === undefined) throw error
      debug('%s: the name of %s cannot be written: %s', this.#root.path, file, error)
    }
  }

  remove(file: string): void {
    const entry = this.#written.get(file)
    this.#written.delete(file)
    if (entry !== undefined) this.#root.removeEntry(entry)
  }

  /** The names, by the files of their locks. */
  read(): Map<string, string> {
    const names = new Map<string, string>()
    for (const entry of this.#root.memberNames()) {
      const file = entry.slice(0, HASHED_LENGTH)
      if (!isHashed(file) || names.has(file)) continue
      const bytes = readBytes(this.#root.pathOf(`${MEMBERS}/${entry}`))
      if (bytes !== undefined && hashedFile(bytes) === file) names.set(file, bytes.toString('utf16le'))
    }
    return names
  }
}

/** @param isShared whether other users must be able to read it, regardless of the umask. */
function writeNew(path: string, bytes: Buffer, isShared: boolean): void {
  const descriptor = fs.openSync(path, 'wx')
  try {
    fs.writeFileSync(descriptor, bytes)
    if (isShared) fs.fchmodSync(descriptor, READABLE)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** Undefined if it is gone, or isn't a file. */
function readBytes(path: string): Buffer | undefined {
  try {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
    const descriptor = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      return fs.readFileSync(descriptor)
    } finally {
      fs.closeSync(descriptor)
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}
