/**
 * Addresses of sockets at any path. `sun_path` holds 107 bytes and an ending zero on Linux (unix(7)), 103 on
 * macOS; Node before 24 cuts a longer one without a word. A longer path is reached through an open descriptor of its
 * directory: `/proc/self/fd/N/name`; where there is no /proc, through a symbolic link with a short name.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { SlocketError, systemCode } from '../../errors.ts'
import { DirectoryGone } from './lock-directory.ts'
import { toSlocketError } from './system-error.ts'

const MAX_ADDRESS_BYTES = process.platform === 'linux' ? 107 : 103

/** Reaches sockets in and below one directory. Holds a descriptor, or a link, only where a path is too long. */
export class SocketAddresses {
  readonly #directory: string
  #shortcut: Shortcut | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * An address for the socket `name`, a path relative to the directory. Valid until {@link close}.
   *
   * @throws DirectoryGone; ERR_SLOCKET_PATH_TOO_LONG; what a system error means.
   */
  of(name: string): string {
    const full = `${this.#directory}/${name}`
    if (Buffer.byteLength(full) <= MAX_ADDRESS_BYTES) return full
    this.#shortcut ??= openShortcut(this.#directory)
    const short = `${this.#shortcut.path}/${name}`
    if (Buffer.byteLength(short) <= MAX_ADDRESS_BYTES) return short
    throw new SlocketError('ERR_SLOCKET_PATH_TOO_LONG', `no short enough address for the socket '${full}'`)
  }

  close(): void {
    this.#shortcut?.close()
    this.#shortcut = undefined
  }
}

interface Shortcut {
  readonly path: string
  close(): void
}

function openShortcut(directory: string): Shortcut {
  try {
    return fs.existsSync('/proc/self/fd') ? openDescriptor(directory) : makeLink(directory)
  } catch (error) {
    const failure = toSlocketError(error, 'make a short address for', directory)
    throw systemCode(error) === 'ENOENT' ? new DirectoryGone(failure) : failure
  }
}

function openDescriptor(directory: string): Shortcut {
  const descriptor = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${descriptor}`, close: () => fs.closeSync(descriptor) }
}

function makeLink(directory: string): Shortcut {
  const holder = fs.mkdtempSync(path.join(os.tmpdir(), 'slk-'))
  const link = path.join(holder, 'd')
  fs.symlinkSync(directory, link)
  return { path: link, close: () => fs.rmSync(holder, { recursive: true, force: true }) }
}
