import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, mock, test } from 'node:test'
import type { FileSystem } from '../../../../src/engines/local/platform/file-system.ts'
import { localFileSystem } from '../../../../src/engines/local/platform/file-system.ts'
import { isSlocketError } from '../../../../src/errors.ts'

const EXT4 = 0xef53
const TMPFS = 0x01021994
const BTRFS = 0x9123683e
const OVERLAY = 0x794c7630
const FUSE = 0x65735546
const ZFS = 0x2fc12fc1
const NFS = 0x6969
const SMB2 = 0xfe534d42
const CEPH = 0x00c36400
/** Numbers of devices: of a block device, and of what has none. */
const DISK = 0xfe01
const NONE = 0x2b

/** What the directory is said to be on. */
interface Said {
  /** `f_type` of statfs, by path; `''` is any other. */
  readonly type: number | Readonly<Record<string, number>>
  readonly device: number
  /** The type and the source of the mount; undefined if it cannot be seen. */
  readonly mount?: string | undefined
}

describe('file systems', () => {
  afterEach(() => mock.restoreAll())

  test("this machine's are accepted, and for some it is known that links to sockets work", () => {
    localFileSystem(os.tmpdir())
    for (const [type, device, mount, hasSocketLinks] of [
      [EXT4, DISK, undefined, true],
      [TMPFS, NONE, 'tmpfs tmpfs', true],
      [BTRFS, NONE, 'btrfs /dev/vda1', true],
      [OVERLAY, NONE, 'overlay overlay', true],
      [ZFS, NONE, 'zfs pool/data', false],
      [0, DISK, undefined, false],
      // Not seen, without /proc: then links are tried.
      [TMPFS, NONE, undefined, false],
    ] as const) {
      assert.equal(ask({ type, device, mount }).hasSocketLinks, hasSocketLinks, mount)
    }
  })

  test('network file systems are refused, also if the number has a sign', () => {
    for (const type of [NFS, SMB2, SMB2 | 0, CEPH]) refuse({ type, device: NONE })
  })

  test("9p is refused although it shows the number of the host's file system, and so is every network mount", () => {
    for (const mount of [
      '9p host0',
      'nfs4 server:/export',
      'cifs //server/share',
      'smb3 //server/share',
      'virtiofs tag',
      'ceph a:/',
    ])
      for (const type of [EXT4, TMPFS, BTRFS]) refuse({ type, device: NONE, mount })
  })

  test('FUSE: those known to keep their files here are accepted, the others are refused; links are always tested', () => {
    for (const type of ['fuseblk', 'fuse.mergerfs', 'fuse.fuse-overlayfs', 'fuse.gocryptfs']) {
      assert.equal(ask({ type: FUSE, device: NONE, mount: `${type} source` }).hasSocketLinks, false)
    }
    for (const mount of ['fuse.sshfs host:', 'fuse.s3fs s3fs', 'fuse /dev/fuse', 'fuse.mergerfs-not a:b', undefined])
      refuse({ type: FUSE, device: NONE, mount })
  })

  test("FUSE on a block device: the name, which the daemon chooses, does not matter: the device is this machine's", () => {
    assert.equal(ask({ type: FUSE, device: DISK, mount: 'fuseblk /dev/sda1' }).isNetwork, false)
    assert.equal(ask({ type: FUSE, device: DISK }).isNetwork, false)
  })

  test('FUSE over a network file system is refused, also if its directory has a space in its name', () => {
    for (const source of ['/remote', '/here:/remote', '/a\\040b', '/remote/below'])
      refuse({
        type: { '/remote': NFS, '/a b': CEPH, '/here': EXT4, '/remote/below': NFS, '': FUSE },
        device: NONE,
        mount: `fuse.bindfs ${source}`,
      })
    ask({ type: { '/here': EXT4, '': FUSE }, device: NONE, mount: 'fuse.bindfs /here' })
  })

  test('FUSE over FUSE without end is refused', () => refuse({ type: FUSE, device: NONE, mount: 'fuse.bindfs /loop' }))

  test('if the system does not report it, it is accepted, and links are tested', () => {
    mock.method(fs, 'statfsSync', () => {
      throw Object.assign(new Error('not here'), { code: 'ENOSYS' })
    })
    assert.equal(localFileSystem(os.tmpdir())!.hasSocketLinks, false)
  })

  test('a directory that is removed between two checks counts as missing, not as local or network', () => {
    const directory = fs.mkdtempSync(join(os.tmpdir(), 'slocket-fs-'))
    assert.notEqual(localFileSystem(directory), undefined)
    const { statfsSync, fstatSync, existsSync } = fs
    for (const name of ['existsSync', 'statfsSync', 'fstatSync'] as const) {
      const original = { statfsSync, fstatSync, existsSync }[name] as (...rest: unknown[]) => unknown
      mock.method(fs, name, (...rest: unknown[]) => {
        fs.rmSync(directory, { recursive: true, force: true })
        return original(...rest)
      })
      // On file systems of the kernel the open descriptor still answers; FUSE answers as for a missing name.
      assert.equal(localFileSystem(directory)?.isNetwork ?? false, false)
      mock.restoreAll()
      assert.equal(localFileSystem(directory), undefined)
      mock.method(fs, name, () => {
        throw Object.assign(new Error('stale'), { code: 'Unknown system error -116' })
      })
      if (name !== 'existsSync') assert.equal(localFileSystem(os.tmpdir()), undefined)
      mock.restoreAll()
      fs.mkdirSync(directory)
    }
    fs.rmdirSync(directory)
  })

  test('without descriptors, nothing is recorded as known', () => {
    say({ type: FUSE, device: NONE, mount: 'fuse.mergerfs a:b' })
    mock.method(fs, 'openSync', () => {
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    })
    assert.throws(
      () => localFileSystem(os.tmpdir()),
      (error) => isSlocketError(error, 'ERR_SLOCKET_RESOURCES'),
    )
  })
})

function ask(said: Said): FileSystem {
  say(said)
  try {
    return localFileSystem(os.tmpdir())!
  } finally {
    mock.restoreAll()
  }
}

function refuse(said: Said): void {
  assert.throws(
    () => ask(said),
    (error) => isSlocketError(error, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM'),
    JSON.stringify(said),
  )
}

function say({ type, device, mount }: Said): void {
  let opened = ''
  mock.method(fs, 'openSync', (path: string) => {
    opened = path
    return 99
  })
  mock.method(fs, 'closeSync', () => {})
  mock.method(fs, 'statfsSync', (path: string) => {
    assert.equal(path, '/proc/self/fd/99')
    return { type: typeof type === 'number' ? type : (type[opened] ?? type['']) }
  })
  mock.method(fs, 'fstatSync', () => ({ dev: device }))
  mock.method(fs, 'readFileSync', (path: string) => {
    if (mount === undefined) throw Object.assign(new Error('no /proc'), { code: 'ENOENT' })
    if (path === '/proc/self/fdinfo/99') return 'pos:\t0\nflags:\t012000000\nmnt_id:\t36\nino:\t2\n'
    assert.equal(path, '/proc/self/mountinfo')
    const [kind, source] = mount.split(' ')
    return `3 1 0:3 / / rw - ext4 other rw\n36 35 0:43 / /mnt rw,noatime master:1 propagate_from:2 - ${kind} ${source} rw\n`
  })
}
