/**
 * Refuses file systems that two kernels can share: each would take the other's tickets for dead, because a socket is
 * known only to the kernel that listens on it.
 */
import fs from 'node:fs'
import { SlocketError, systemCode } from '../../errors.ts'

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

const FUSE = 0x65735546
/** FUSE file systems known to be of one machine. Any other may be sshfs, virtiofs or the like. */
const LOCAL_FUSE =
  /^fuse(blk|\.(fuse-overlayfs|unionfs|unionfs-fuse|mergerfs|gocryptfs|encfs|bindfs|ntfs-3g|lxcfs|portal))$/

/** Throws ERR_SLOCKET_NETWORK_FILE_SYSTEM where `directory`, which exists, is on such a file system. */
export function refuseNetworkFileSystem(directory: string): void {
  const name = networkFileSystem(directory)
  if (name === undefined) return
  throw new SlocketError(
    'ERR_SLOCKET_NETWORK_FILE_SYSTEM',
    `'${directory}' is on ${name}, which several machines can share: a local lock there would not keep them apart. ` +
      'Use a directory on a local disk, or an engine made for several machines',
  )
}

function networkFileSystem(directory: string): string | undefined {
  let type: number
  try {
    type = fs.statfsSync(directory).type >>> 0
  } catch (error) {
    // ENOSYS: no statfs here (a sandbox); nothing says that it is a network. Whatever else is wrong with the
    // directory, the next step says better.
    if (systemCode(error) === undefined) throw error
    return undefined
  }
  if (type !== FUSE) return NETWORK_FILE_SYSTEMS[type]
  const mounted = mountType(directory)
  return LOCAL_FUSE.test(mounted) ? undefined : `a FUSE file system (${mounted})`
}

/** The type of the mount that `directory` is on, as proc_pid_mountinfo(5) has it. */
function mountType(directory: string): string {
  try {
    const device = fs.statSync(directory).dev
    const majorMinor = `${(device >>> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}`
    for (const line of fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      const fields = line.split(' ')
      if (fields[2] === majorMinor) return fields[fields.indexOf('-') + 1] ?? 'unknown'
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
  return 'unknown'
}
