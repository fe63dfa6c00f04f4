/**
 * Finds out whether the local engine would refuse every lock in a directory. It does not touch the lock's path, since another process may make a lock there by
 * other means at the same moment. For callers that have other means themselves (src/compat/).
 */
import fs from 'node:fs'
import path from 'node:path'
import { debug } from '../../debug.ts'
import { isSlocketError, SlocketError, systemCode } from '../../errors.ts'
import { DirectoryGone } from './lock-directory.ts'
import { refuseOtherPlatforms } from './members/exit.ts'
import { builtInNet } from './platform/built-in.ts'
import { localFileSystem } from './platform/file-system.ts'
import { isBun, isDeno } from './platform/runtime.ts'
import { SocketAddresses } from './platform/socket-addresses.ts'
import { toSlocketError } from './platform/system-error.ts'

/** Whether this process can make sockets without a file. Undefined if that wasn't tried. */
let makesSockets: boolean | undefined
/** Devices on which sockets were tried, and whether they are usable there. */
const tried = new Map<number, boolean>()

/**
 * Throws if no lock can be made at `lockPath`, because of the platform, a sandbox or the file system. If that can't be found out here, the engine reports it.
 *
 * @throws ERR_SLOCKET_UNSUPPORTED_PLATFORM; ERR_SLOCKET_NETWORK_FILE_SYSTEM; ERR_SLOCKET_NO_SOCKETS; ERR_SLOCKET_PERMISSION if Node's permission model
 *   refuses what a lock needs; ERR_SLOCKET_RESOURCES.
 */
export function refuseUnusable(lockPath: string): void {
  // On such a file system, the engine refuses before it makes anything.
  if (process.platform === 'win32') return
  refuseOtherPlatforms()
  const parent = path.dirname(path.resolve(lockPath))
  const fileSystem = localFileSystem(parent)
  // In Bun and Deno, nothing is known when `listen` returns.
  if (fileSystem === undefined || isBun || isDeno) return
  const makesThem = canMakeSockets()
  if (holdsSockets(parent, makesThem && fileSystem.hasSocketLinks)) return
  if (!makesThem) {
    throw new SlocketError(
      'ERR_SLOCKET_NO_SOCKETS',
      'this process cannot make Unix sockets; does it run in a sandbox that forbids them?',
    )
  }
  throw new SlocketError(
    'ERR_SLOCKET_NO_SOCKETS',
    `the file system of '${parent}' (${fileSystem.name}) holds no sockets; use a directory on another one`,
  )
}

/** Records that the engine could not use sockets on a device although they seemed possible. */
export function noteNoSockets(lockPath: string): void {
  const device = deviceOf(path.dirname(path.resolve(lockPath)))
  if (device !== undefined) tried.set(device, false)
}

/**
 * A sandbox may forbid sockets: seccomp(2), `RestrictAddressFamilies=` of systemd.exec(5). If an address without a file (unix(7)) works, sockets are allowed in
 * the whole process. If it doesn't, only these addresses may be forbidden (Landlock, AppArmor), or descriptors may have been missing for a moment: then a
 * socket in the directory decides.
 */
function canMakeSockets(): boolean {
  if (process.platform !== 'linux') return true
  makesSockets ??= canListen(`\0slocket-${process.pid}-${Math.random()}`) || !canOpen()
  return makesSockets
}

function holdsSockets(directory: string, isKnown: boolean): boolean {
  const device = isKnown && tried.size === 0 ? undefined : deviceOf(directory)
  if (device === undefined) return true
  const found = tried.get(device)
  if (found !== undefined || isKnown) return found !== false
  const holds = canListenIn(directory)
  debug('%s: a socket %s be made here', directory, holds ? 'can' : 'cannot')
  tried.set(device, holds)
  return holds
}

function deviceOf(directory: string): number | undefined {
  try {
    return fs.statSync(directory).dev
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}

/** False only if a file can be made, and a socket cannot: then it isn't descriptors, space or permissions that are missing. */
function canListenIn(directory: string): boolean {
  let scratch: string | undefined
  let addresses: SocketAddresses | undefined
  try {
    scratch = fs.mkdtempSync(path.join(directory, '.slocket-'))
    addresses = new SocketAddresses(scratch)
    if (canListen(addresses.of('socket'))) return true
    fs.writeFileSync(path.join(scratch, 'file'), '')
    // RACE: another thread may have closed a descriptor in between.
    return canListen(addresses.of('socket'))
  } catch (error) {
    if (systemCode(error) === undefined && !isSlocketError(error) && !(error instanceof DirectoryGone)) throw error
    return true
  } finally {
    addresses?.close()
    if (scratch !== undefined) removeQuietly(scratch)
  }
}

/** @throws ERR_SLOCKET_PERMISSION if Node's permission model refuses it. */
function canListen(address: string): boolean {
  const server = builtInNet().createServer()
  // The error comes in the next tick. Until then, `listening` shows whether it failed.
  server.on('error', (error) => debug('no socket: %s', error))
  try {
    // Not through the primary of a cluster, which would answer later.
    server.listen({ path: address, exclusive: true })
    return server.listening
  } catch (error) {
    throw systemCode(error) === undefined
      ? error
      : toSlocketError(error, 'make a socket at', address.replace('\0', '@'))
  } finally {
    // Removes its file, by the same address.
    server.close()
  }
}

/** Whether there is a descriptor left. */
function canOpen(): boolean {
  try {
    fs.closeSync(fs.openSync('/', 'r'))
    return true
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return false
  }
}

function removeQuietly(directory: string): void {
  try {
    fs.rmSync(directory, { recursive: true, force: true })
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('%s stays: %s', directory, error)
  }
}
