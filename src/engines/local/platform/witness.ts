/**
 * What shows that a member, and so its tickets, are alive. It depends on the kernel, and is chosen here, once.
 *
 * |                    | Linux                            | macOS, BSD                                                     |
 * | ------------------ | -------------------------------- | -------------------------------------------------------------- |
 * | a member's file    | a listening socket               | an empty file that the member holds (held-file.ts)             |
 * | its tickets        | hard links to it                 | the same                                                       |
 * | dead               | it refuses a connection          | nobody holds it                                                |
 * | how it is woken    | over connections to one of these | over connections to a socket beside it, which prove nothing    |
 *
 * A kernel of the second kind also refuses a connection if the listener's backlog is full, so a refusal proves nothing there.
 */
import type fs from 'node:fs'
import { isBsd } from './bsd.ts'
import type { Found, HeldFile } from './held-file.ts'
import { holdFile, lookAtFile } from './held-file.ts'
import type { OpenDirectory } from './open-directory.ts'

/** What shows that a member is alive. */
export interface Witness {
  /** What a member's file is. */
  readonly kind: 'socket' | 'file'
  /** Whether something can be a ticket, or the file of a member, by its kind. */
  isOfKind(stats: fs.Stats): boolean
  /** The name of the socket of a member, beside the member's file. */
  socketOf(file: string): string
  /** The name of the file of the member whose file or socket has this name. */
  fileOf(name: string): string
  /** Makes the file of a member, and holds it. Undefined if the socket is that file. @throws as `holdFile`. */
  hold(members: OpenDirectory, file: string): HeldFile | undefined
  /** Looks whether the owner of a ticket or of a member's file is alive. Undefined if only a connection shows it. @throws as `lookAtFile`. */
  look(path: string): Found | undefined
}

const BY_SOCKET: Witness = {
  kind: 'socket',
  isOfKind: (stats) => stats.isSocket(),
  socketOf: (file) => file,
  fileOf: (name) => name,
  hold: () => undefined,
  look: () => undefined,
}

const SOCKET = 'socket-'

const BY_FILE: Witness = {
  kind: 'file',
  // Nothing is ever written to such a file.
  isOfKind: (stats) => stats.isFile() && stats.size === 0,
  socketOf: (file) => SOCKET + file,
  fileOf: (name) => (name.startsWith(SOCKET) ? name.slice(SOCKET.length) : name),
  hold: holdFile,
  look: lookAtFile,
}

export const witness: Witness = isBsd ? BY_FILE : BY_SOCKET
