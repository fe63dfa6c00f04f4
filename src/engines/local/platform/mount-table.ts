/**
 * The file systems of macOS and the BSDs, by the table that mount(8) prints. Node's statfs gives a number there that isn't the same on two
 * machines, and no name.
 *
 *     /dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)     macOS, FreeBSD
 *     /dev/sd0a on / type ffs (local)                                             NetBSD, OpenBSD
 *
 * A file system is used only if the kernel says that it is local (MNT_LOCAL). FUSE file systems are refused even so: each hard link may be a file
 * of its own there.
 */
import fs from 'node:fs'
import type { FileSystem } from './file-system.ts'
import { unlessMissing } from './proc.ts'
import { isGone } from './system-error.ts'
import { outputOf } from './system-program.ts'

const MOUNT = '/sbin/mount'
const LINE = /^.+? on (\/.*?)(?: type (\S+))? \(([^()]*)\)$/
const FUSE = /fuse/i

interface Mount {
  readonly place: string
  readonly type: string
  readonly isLocal: boolean
}

/** What was found, by device and by statfs number. A device that another file system has later has another number, unless both are of one type. */
const known = new Map<string, FileSystem>()

/** As `localFileSystem`, and without its refusal. @throws ERR_SLOCKET_RESOURCES. */
export function examineByMountTable(directory: string): FileSystem | undefined {
  try {
    const device = unlessMissing(directory, () => fs.statSync(directory).dev, isGone)
    // It can't be looked at: the next step reports why.
    if (device === undefined) return { name: 'unknown', isNetwork: false, hasSocketLinks: true }
    const key = `${device} ${unlessMissing(directory, () => fs.statfsSync(directory).type, isGone)}`
    const before = known.get(key)
    if (before !== undefined) return before
    const table = outputOf(MOUNT, [])
    // Not known from now on: the next time it may be available.
    if (table === undefined) return network(`a file system that ${MOUNT} does not list`)
    const found = examineDevice(table, directory, device)
    known.set(key, found)
    return found
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/**
 * By device, not by path: on macOS a directory such as /Users belongs to a file system that is mounted elsewhere. Only local mounts are looked
 * at, since a look at the mount of a server that is away may never end.
 */
function examineDevice(table: string, directory: string, device: number): FileSystem {
  const mounts = table.split('\n').flatMap(parseMount)
  const mount = mounts.find(({ place, isLocal }) => isLocal && deviceAt(place) === device)
  if (mount !== undefined && !FUSE.test(mount.type)) return { name: mount.type, isNetwork: false, hasSocketLinks: true }
  return network(describe(mount ?? nearest(mounts, directory)))
}

function parseMount(line: string): Mount[] {
  const [, place, type, words] = LINE.exec(line) ?? []
  if (place === undefined || words === undefined) return []
  const options = words.split(', ')
  return [{ place, type: type ?? options[0]!, isLocal: options.includes('local') }]
}

function deviceAt(place: string): number | undefined {
  return unlessMissing(place, () => fs.statSync(place).dev)
}

/** For people alone. */
function nearest(mounts: readonly Mount[], directory: string): Mount | undefined {
  const around = mounts.filter(({ place }) => `${directory}/`.startsWith(place.endsWith('/') ? place : `${place}/`))
  return around.sort((one, other) => other.place.length - one.place.length)[0]
}

function describe(mount: Mount | undefined): string {
  if (mount === undefined) return 'a file system that is not local'
  return FUSE.test(mount.type)
    ? `a FUSE file system (${mount.type})`
    : `a file system that is not local (${mount.type})`
}

function network(name: string): FileSystem {
  return { name, isNetwork: true, hasSocketLinks: true }
}
