/**
 * Addresses of sockets at any path. `sun_path` holds 107 bytes and an ending zero on Linux (unix(7)), 103 on
 * macOS. Node before 24 cuts a longer one without a word, so no longer one is ever handed to it. A longer path is reached
 * through an open descriptor of its directory: `/proc/self/fd/N/name`; if there is no /proc, through a symbolic link in the
 * directory of temporary files.
 */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { SlocketError, systemCode } from '../../../errors.ts'
import { DirectoryGone } from '../lock-directory.ts'
import { isGone, toSlocketError } from './system-error.ts'
import { queueMicrotask } from '../../../real-time.ts'
import { hasDescriptorPaths } from './proc.ts'

const MAX_ADDRESS_BYTES = process.platform === 'linux' ? 107 : 103

/** Reaches sockets in and below one directory. Holds a descriptor, or a link, only if a path is too long. */
export class SocketAddresses {
  readonly #directory: string
  #shortcut: Shortcut | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * An address for the socket `name`, a path relative to the directory, to be bound or connected to now: it is valid until
   * {@link close}, and no longer than JavaScript runs on. (A link that was kept would stay if the process is killed.)
   *
   * @throws DirectoryGone; ERR_SLOCKET_PATH_TOO_LONG; what a system error means.
   */
  of(name: string): string {
    const full = `${this.#directory}/${name}`
    if (Buffer.byteLength(full) <= MAX_ADDRESS_BYTES) return full
    this.#shortcut ??= openShortcut(this.#directory)
    if (this.#shortcut.isBrief) queueMicrotask(() => this.close())
    const short = `${this.#shortcut.path}/${name}`
    if (Buffer.byteLength(short) <= MAX_ADDRESS_BYTES) return short
    throw tooLong(full)
  }

  close(): void {
    const shortcut = this.#shortcut
    this.#shortcut = undefined
    try {
      shortcut?.close()
    } catch (error) {
      // Somebody else in this process has closed the descriptor.
      if (systemCode(error) === undefined) throw error
    }
  }
}

interface Shortcut {
  readonly path: string
  /** Whether it must not outlive what is done with it now. */
  readonly isBrief: boolean
  close(): void
}

function openShortcut(directory: string): Shortcut {
  if (!hasDescriptorPaths()) return makeLink(directory)
  try {
    return openDescriptor(directory)
  } catch (error) {
    const failure = toSlocketError(error, 'make a short address for', directory)
    throw isGone(error) ? new DirectoryGone(failure) : failure
  }
}

function openDescriptor(directory: string): Shortcut {
  const descriptor = fs.openSync(directory, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${descriptor}`, isBrief: false, close: () => fs.closeSync(descriptor) }
}

function makeLink(directory: string): Shortcut {
  let holder: string | undefined
  const close = (): void => {
    if (holder !== undefined) fs.rmSync(holder, { recursive: true, force: true })
  }
  try {
    holder = fs.mkdtempSync(path.join(os.tmpdir(), 'slk-'))
    const link = path.join(holder, 'd')
    fs.symlinkSync(directory, link)
    return { path: link, isBrief: true, close }
  } catch (error) {
    close()
    const failure = toSlocketError(error, 'make a short address for', directory)
    throw failure.code === 'ERR_SLOCKET_RESOURCES' ? failure : tooLong(directory, error)
  }
}

function tooLong(socket: string, cause?: unknown): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_PATH_TOO_LONG',
    `'${socket}' is too long for the address of a socket, which has at most ${MAX_ADDRESS_BYTES} bytes, and there is no shorter way to it: ` +
      `mount /proc, or have a short directory for temporary files ('${os.tmpdir()}')`,
    { cause },
  )
}
