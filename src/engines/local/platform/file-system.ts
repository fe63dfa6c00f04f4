/**
 * What must be known about a file system before a lock is made there.
 *
 *  1. Two kernels can share a network file system: each would take the other's tickets for dead, because a socket is
 *     known only to the kernel that listens on it. Such file systems are refused.
 *  2. A ticket is a hard link to a socket. On some file systems a link does not lead to the socket, above all with the
 *     high-level interface of FUSE, which gives each link an inode of its own: see socket-links.ts.
 */
import fs from 'node:fs'
import { SlocketError } from '../../../errors.ts'
import { isBsd } from './bsd.ts'
import { examineByMountTable } from './mount-table.ts'
import { hasDescriptorPaths, readText, unlessMissing } from './proc.ts'
import { isGone } from './system-error.ts'

/** `f_type` of statfs(2), from linux/magic.h and the file systems' own headers. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xfe534d42: 'SMB2',
  0xff534d42: 'CIFS',
  0x01021997: '9p',
  0x00c36400: 'Ceph',
  0x5346414f: 'AFS',
  0x6b414653: 'AFS (kernel client)',
  0x73757245: 'Coda',
  0x564c: 'NCP',
  0x7461636f: 'OCFS2',
  0x01161970: 'GFS2',
  0x0bd00bd0: 'Lustre',
  0x47504653: 'GPFS',
  0x19830326: 'BeeGFS',
  0x20030528: 'OrangeFS',
  0xaad7aaea: 'PanFS',
  0x786f4256: 'VirtualBox shared folders',
  0xbacbacbc: 'VMware shared folders',
  0x7c7c6673: 'Parallels shared folders',
}

/** The same by the type of the mount. 9p (with 9P2000.L) gives the `f_type` of the file system on the host. */
const NETWORK_MOUNTS =
  /^(9p|nfs4?|cifs|smb3|smbfs|virtiofs|ceph|afs|coda|ncpfs|ocfs2|gfs2|lustre|gpfs|beegfs|orangefs|pvfs2|panfs|vboxsf|vmhgfs|prl_fs)$/

/** File systems on which a hard link to a socket leads to it: ext2 to ext4, XFS, Btrfs, tmpfs, ramfs, overlayfs. Each is tried by scripts/test-file-systems.js. */
const WITH_SOCKET_LINKS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0x794c7630,
])

const FUSE = 0x65735546
/** FUSE file systems that keep their files on this machine, or in a directory that the mount names. Any other may be sshfs, s3fs or the like. */
const LOCAL_FUSE =
  /^fuse(blk|\.(fuse-overlayfs|unionfs|unionfs-fuse|mergerfs|gocryptfs|encfs|bindfs|ntfs-3g|lxcfs|portal))$/
/** How many FUSE file systems on top of each other are looked at. */
const MOST_LAYERS = 4

export interface FileSystem {
  /** For people. */
  readonly name: string
  /** Whether several machines can share it. */
  readonly isNetwork: boolean
  /** Whether a hard link to a socket is known to lead to it. False: that has to be tried. (True if tickets are files: held-file.ts tries those.) */
  readonly hasSocketLinks: boolean
}

/**
 * Returns what is known of the file system of `directory`; undefined if the directory is missing.
 *
 * @throws ERR_SLOCKET_NETWORK_FILE_SYSTEM; ERR_SLOCKET_RESOURCES.
 */
export function localFileSystem(directory: string): FileSystem | undefined {
  const fileSystem = isBsd ? examineByMountTable(directory) : examine(directory, MOST_LAYERS)
  if (fileSystem?.isNetwork !== true) return fileSystem
  throw new SlocketError(
    'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
    `'${directory}' is on ${fileSystem.name}, which several machines can share: a local lock there would not keep them apart. ` +
      'Use a directory on a local disk, or an engine made for several machines',
  )
}

const O_PATH = 0o10000000

/**
 * Opens the directory first, and asks everything of the open descriptor.
 *
 * RACE: the last user of a lock directory may remove it, and another process make it again, between two of the questions.
 * Asked by path, the answers would be about no directory, or about two of them.
 */
function examine(directory: string, layers: number): FileSystem | undefined {
  let descriptor: number | undefined
  try {
    descriptor = unlessMissing(directory, () => fs.openSync(directory, O_PATH), isGone)
    // It can be reached but not opened: the next step reports why.
    if (descriptor === undefined) return { name: 'unknown', isNetwork: false, hasSocketLinks: false }
    return examineOpen(directory, descriptor, layers)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
}

/** @throws the system's error if the directory is gone. */
function examineOpen(directory: string, descriptor: number, layers: number): FileSystem {
  const place = hasDescriptorPaths() ? `/proc/self/fd/${descriptor}` : directory
  // ENOSYS: no statfs here (a sandbox); nothing says that it is a network.
  const type = unlessMissing(directory, () => fs.statfsSync(place).type >>> 0, isGone) ?? 0
  const named = NETWORK_FILE_SYSTEMS[type]
  if (named !== undefined) return { name: named, isNetwork: true, hasSocketLinks: false }
  const local: FileSystem = {
    name: `type 0x${type.toString(16)}`,
    isNetwork: false,
    hasSocketLinks: WITH_SOCKET_LINKS.has(type),
  }
  // A block device belongs to this machine (fuseblk: the kernel itself has opened it), so its mount need not be looked up.
  const device = unlessMissing(directory, () => fs.fstatSync(descriptor).dev, isGone) ?? 0
  if (isBlockDevice(device)) return local
  const mount = mountOf(descriptor)
  if (type === FUSE) return examineFuse(mount, layers)
  if (mount === undefined) return { ...local, hasSocketLinks: false }
  return NETWORK_MOUNTS.test(mount.type) ? { name: mount.type, isNetwork: true, hasSocketLinks: false } : local
}

/** The daemon of a FUSE mount chooses the mount's type. So the directory that the mount names for its files is checked as well. */
function examineFuse(mount: Mount | undefined, layers: number): FileSystem {
  const name = `a FUSE file system (${mount?.type ?? 'unknown'})`
  if (mount === undefined || layers === 0 || !LOCAL_FUSE.test(mount.type)) {
    return { name, isNetwork: true, hasSocketLinks: false }
  }
  for (const source of mount.source.split(':')) {
    if (!source.startsWith('/')) continue
    const below = examine(source, layers - 1)
    if (below?.isNetwork === true) return { ...below, name: `${name} over ${below.name}` }
  }
  return { name, isNetwork: false, hasSocketLinks: false }
}

/** The major number of file systems without a device is 0 (Documentation/admin-guide/devices.txt). */
function isBlockDevice(device: number): boolean {
  return ((device >>> 8) & 0xfff) !== 0
}

interface Mount {
  readonly type: string
  readonly source: string
}

/**
 * Returns the mount that an open directory is on: proc_pid_fdinfo(5) has its number, and proc_pid_mountinfo(5) the rest. (The device
 * isn't enough: each subvolume of Btrfs has its own.) Undefined if that cannot be seen: no /proc, or a mount outside of a chroot.
 */
function mountOf(descriptor: number): Mount | undefined {
  const id = /^mnt_id:\s+(\d+)$/m.exec(readText(`/proc/self/fdinfo/${descriptor}`) ?? '')?.[1]
  const mounts = id === undefined ? undefined : readText('/proc/self/mountinfo')
  const fields = mounts
    ?.split('\n')
    .find((line) => line.startsWith(`${id} `))
    ?.split(' ')
  const dash = fields?.indexOf('-', 6)
  if (fields === undefined || dash === undefined || dash < 0) return undefined
  return { type: fields[dash + 1] ?? '', source: unescapeOctal(fields[dash + 2] ?? '') }
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
