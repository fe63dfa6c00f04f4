import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import { describe, mock, test } from 'node:test'
import { localFileSystem } from '../../../src/engines/local/file-system.ts'
import { isSlocketError } from '../../../src/errors.ts'

const EXT4 = 0xef53
const TMPFS = 0x01021994
const FUSE = 0x65735546
const NFS = 0x6969
const SMB2 = 0xfe534d42
const CEPH = 0x00c36400

describe('file systems', () => {
  test('those of this machine are taken', () => {
    localFileSystem(os.tmpdir())
    for (const type of [EXT4, TMPFS, 0x9123683e, 0x58465342, 0x794c7630, 0]) {
      withType(type, () => localFileSystem(os.tmpdir()))
    }
  })

  test('those of a network are refused, also where the number comes with a sign', () => {
    for (const type of [NFS, SMB2, SMB2 | 0, CEPH]) {
      withType(type, () =>
        assert.throws(
          () => localFileSystem(os.tmpdir()),
          (error) => isSlocketError(error, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM'),
        ),
      )
    }
  })

  test('of FUSE, those known to be of one machine are taken, and the rest is refused', () => {
    for (const [type, isTaken] of [
      ['fuseblk', true],
      ['fuse.mergerfs', true],
      ['fuse.fuse-overlayfs', true],
      ['fuse.sshfs', false],
      ['fuse.s3fs', false],
      ['fuse', false],
      ['fuse.mergerfs-not', false],
    ] as const) {
      withType(FUSE, () =>
        withMount(type, () => {
          if (isTaken) {
            localFileSystem(os.tmpdir())
            return
          }
          assert.throws(
            () => localFileSystem(os.tmpdir()),
            (error) => isSlocketError(error, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM'),
            type,
          )
        }),
      )
    }
  })

  test('where the system does not tell, it is taken', () => {
    const broken = mock.method(fs, 'statfsSync', () => {
      throw Object.assign(new Error('not here'), { code: 'ENOSYS' })
    })
    localFileSystem(os.tmpdir())
    broken.mock.restore()
  })
})

function withType(type: number, body: () => void): void {
  const mocked = mock.method(fs, 'statfsSync', () => ({ type }))
  try {
    body()
  } finally {
    mocked.mock.restore()
  }
}

/** Lets the directory be on a mount of that type. */
function withMount(type: string, body: () => void): void {
  const { dev } = fs.statSync(os.tmpdir())
  const device = `${(dev >>> 8) & 0xfff}:${(dev & 0xff) | ((dev >>> 12) & 0xfff00)}`
  const line = `36 35 ${device} / /mnt rw,noatime master:1 - ${type} somewhere rw\n`
  const mocked = mock.method(fs, 'readFileSync', () => `1 2 0:9999 / / rw - ext4 other rw\n${line}`)
  try {
    body()
  } finally {
    mocked.mock.restore()
  }
}
