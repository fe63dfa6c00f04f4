/**
 * Finds out why connecting to a Unix socket failed if the runtime doesn't say. Bun reports a full backlog (EAGAIN) as ECONNREFUSED
 * (measured with 1.4.5), and reported it as ENOENT in earlier versions (github.com/oven-sh/bun/pull/29182). So connect(2) is called once
 * more, by `bun:ffi`.
 */
import { systemCode } from '../../../errors.ts'
import { isBun } from './runtime.ts'

/** The functions of libc that are needed here. A function that returns a number below 0 has failed, and has set errno. */
interface Libc {
  socket(domain: number, type: number, protocol: number): number
  connect(descriptor: number, address: Uint8Array, length: number): number
  close(descriptor: number): number
  /** The address of this thread's errno. */
  __errno_location(): number
}

interface Ffi {
  readonly dlopen: (library: string, functions: unknown) => { readonly symbols: Libc }
  readonly read: { i32(address: number, offset: number): number }
}

/** Returns 0 if the socket at the path accepts connections, else the errno. */
type Connect = (path: string) => number

/** The codes that Bun also reports for a full backlog. */
const VAGUE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT'])

/** The same on x64 and arm64. */
const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
/** Of `struct sockaddr_un`, and where `sun_path` begins in it. */
const ADDRESS_BYTES = 110
const PATH_OFFSET = 2

/** Undefined: not loaded yet. Null: it can't be loaded, and this stays so, since {@link tellsRefusals} answers for all errors of this process. */
let connect: Connect | null | undefined

/**
 * Returns the error of connecting to the socket at `path`: `error`, or what the kernel says if the runtime doesn't distinguish the failures.
 * The kernel is asked now, so if connecting works by now, the error is EAGAIN: the socket listens.
 *
 * @param path must still lead to the same socket as when `error` arose.
 */
export function toConnectError(path: string, error: Error): Error {
  if (!isBun || !VAGUE.has(systemCode(error) ?? '')) return error
  const errno = connectBySystem()?.(path)
  if (errno === undefined) return error
  const code = errno === 0 ? 'EAGAIN' : process.getBuiltinModule('node:util').getSystemErrorName(-errno)
  if (code === systemCode(error)) return error
  const exact = new Error(`connect ${code} ${path}`, { cause: error })
  return Object.assign(exact, { code, errno: -errno, syscall: 'connect', address: path })
}

/** Whether ECONNREFUSED of {@link toConnectError} is what the kernel said. */
export function tellsRefusals(): boolean {
  return !isBun || connectBySystem() !== null
}

function connectBySystem(): Connect | null {
  if (connect === undefined) connect = loadConnect()
  return connect
}

/** Null if there is no `bun:ffi`, or if it can't call libc: it compiles code, which a system may refuse. */
function loadConnect(): Connect | null {
  try {
    const ffi = process.getBuiltinModule('bun:ffi') as Ffi | undefined
    return ffi === undefined ? null : makeConnect(ffi)
  } catch {
    return null
  }
}

function makeConnect({ dlopen, read }: Ffi): Connect {
  // musl's dlopen takes any name that begins with libc. for itself.
  const { symbols: libc } = dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    close: { args: ['i32'], returns: 'i32' },
    __errno_location: { args: [], returns: 'ptr' },
  })
  // Called once in advance, so that nothing runs between a failure and the look at errno.
  const location = libc.__errno_location()
  const errnoAfter = (result: number): number => (result < 0 ? read.i32(location, 0) : 0)
  return (path) => {
    const descriptor = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (descriptor < 0) return errnoAfter(descriptor)
    const errno = errnoAfter(libc.connect(descriptor, addressOf(path), ADDRESS_BYTES))
    libc.close(descriptor)
    return errno
  }
}

/** A `struct sockaddr_un`. A path that is too long never comes here: the runtime has refused it with EINVAL. */
function addressOf(path: string): Uint8Array {
  const address = Buffer.alloc(ADDRESS_BYTES)
  address.writeUInt16LE(AF_UNIX, 0)
  // The last byte stays zero.
  address.write(path, PATH_OFFSET, ADDRESS_BYTES - PATH_OFFSET - 1)
  return address
}
