import assert from 'node:assert/strict'
import childProcess from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, mock, test } from 'node:test'
import { firstProcessStartNs } from '../../../../src/engines/local/platform/boot-time.ts'
import type { FileSystem } from '../../../../src/engines/local/platform/file-system.ts'
import { examineByMountTable } from '../../../../src/engines/local/platform/mount-table.ts'
import { isSlocketError } from '../../../../src/errors.ts'

const MACOS = `/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//user@server/share on /Volumes/share (smbfs, nodev, nosuid, mounted by user)
server:/export on /Volumes/a (local) b (nfs)
drive on /Volumes/drive (macfuse, local, synchronous, mounted by user)
/dev/disk4s1 on /Volumes/Name (1) (hfs, local, nodev, nosuid, journaled)
`
const OPENBSD = `/dev/sd0a on / type ffs (local)
mfs:1234 on /tmp type mfs (asynchronous, local, nodev, nosuid)
server:/export on /net type nfs (v3, udp)
`
/** Devices by mount point. Each test has devices of its own, since what is known of one is kept. */
let devices: Record<string, number> = {}
let nextDevice = 1
/** Mount points of which the device was asked. */
const lookedAt = new Set<string>()

afterEach(() => mock.restoreAll())

describe('the mount table', () => {
  test('recognizes local file systems by their device, wherever they are mounted', () => {
    for (const [table, place, name] of [
      [MACOS, '/', 'apfs'],
      // As /Users is: its device is mounted elsewhere.
      [MACOS, '/System/Volumes/Data', 'apfs'],
      [MACOS, '/Volumes/Name (1)', 'hfs'],
      [OPENBSD, '/', 'ffs'],
      [OPENBSD, '/tmp', 'mfs'],
    ] as const)
      assert.deepEqual(ask(table, place), { name, isNetwork: false, hasSocketLinks: true })
  })

  test('refuses all others and all FUSE, and checks no mount that is not local', () => {
    for (const [table, place, name] of [
      [MACOS, '/Volumes/share', 'a file system that is not local (smbfs)'],
      [MACOS, '/Volumes/a (local) b', 'a file system that is not local (nfs)'],
      [MACOS, '/System/Volumes/Data/home', 'a file system that is not local (autofs)'],
      [MACOS, '/Volumes/drive', 'a FUSE file system (macfuse)'],
      [OPENBSD, '/net', 'a file system that is not local (nfs)'],
    ] as const) {
      const found = ask(table, place)
      assert.deepEqual([found?.isNetwork, found?.name], [true, name])
    }
    for (const place of ['/Volumes/share', '/Volumes/a (local) b', '/System/Volumes/Data/home', '/net'])
      assert.ok(!lookedAt.has(place), `looked at ${place}`)
    assert.ok(lookedAt.has('/Volumes/drive'))
  })

  test('refuses everything if it cannot be read', () => {
    assert.equal(ask(undefined, '/')?.isNetwork, true)
    assert.equal(ask('', '/')?.isNetwork, true)
  })

  test('is read again after a failure', () => {
    const device = (nextDevice += 1)
    devices = { '/': device }
    fake(device)
    print(undefined)
    assert.equal(examineByMountTable('/directory')?.isNetwork, true)
    mock.restoreAll()
    fake(device)
    print(MACOS)
    assert.deepEqual(examineByMountTable('/directory'), { name: 'apfs', isNetwork: false, hasSocketLinks: true })
  })

  test('is read once for each file system', () => {
    ask(MACOS, '/')
    const table = mock.method(childProcess, 'spawnSync', () => assert.fail('read again'))
    fake(devices['/'])
    assert.equal(examineByMountTable('/directory')?.name, 'apfs')
    assert.equal(table.mock.callCount(), 0)
  })

  test('is not read for a missing directory', () => {
    assert.equal(examineByMountTable(join(os.tmpdir(), 'slocket-missing', 'missing')), undefined)
  })

  test('records nothing without descriptors, processes or time', () => {
    for (const code of ['EMFILE', 'EAGAIN', 'ETIMEDOUT']) {
      fake((nextDevice += 1))
      mock.method(childProcess, 'spawnSync', () => ({ error: Object.assign(new Error(code), { code }) }))
      assert.throws(
        () => examineByMountTable('/directory'),
        (error) => isSlocketError(error, 'ERR_SLOCKET_RESOURCES'),
        code,
      )
      mock.restoreAll()
    }
  })
})

describe('the start of the first process', () => {
  test('is read as UTC, whatever digits the day has', () => {
    for (const [lstart, expected] of [
      ['Mon Nov 30 13:44:17 2026    \n', '2026-11-30T13:44:17Z'],
      ['Sun Mar  1 00:00:05 2026\n', '2026-03-01T00:00:05Z'],
    ] as const) {
      print(lstart)
      assert.equal(firstProcessStartNs(), BigInt(Date.parse(expected)) * 1_000_000n)
    }
  })

  test('is required: without it, tokens of two processes would not grow together', () => {
    for (const output of [undefined, '', 'STARTED\n', 'Mon Foo 30 13:44:17 2026\n']) {
      print(output)
      assert.throws(firstProcessStartNs, (error) => isSlocketError(error, 'ERR_SLOCKET_UNSUPPORTED_PLATFORM'))
    }
  })
})

/** What is said of a directory on the file system that is mounted at `place`. */
function ask(table: string | undefined, place: string): FileSystem | undefined {
  devices = {}
  for (const [, mounted] of (table ?? '').matchAll(/ on (\/.*?)(?: type \S+)? \([^()]*\)$/gm))
    devices[mounted!] = nextDevice += 1
  fake(devices[place] ?? (nextDevice += 1))
  print(table)
  const found = examineByMountTable(place === '/' ? '/directory' : `${place}/directory`)
  mock.restoreAll()
  return found
}

/** Says of the directory that its device is this one. */
function fake(device: number | undefined): void {
  mock.method(fs, 'statfsSync', () => ({ type: 26 }))
  mock.method(fs, 'statSync', (path: string) => {
    if (path.endsWith('/directory')) return { dev: device }
    lookedAt.add(path)
    return { dev: devices[path] }
  })
}

function print(output: string | undefined): void {
  mock.method(childProcess, 'spawnSync', () => ({ status: output === undefined ? 1 : 0, stdout: output ?? '' }))
}
