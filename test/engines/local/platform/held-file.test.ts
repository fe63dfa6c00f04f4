/** On Linux, which knows neither O_EXLOCK nor O_SHLOCK. What works where they are known: test/darwin/. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { holdFile, lookAtFile } from '../../../../src/engines/local/platform/held-file.ts'
import type { OpenDirectory } from '../../../../src/engines/local/platform/open-directory.ts'
import { openDirectory } from '../../../../src/engines/local/platform/open-directory.ts'
import { isSlocketError } from '../../../../src/errors.ts'

const skip = process.platform === 'linux' ? false : 'on Linux a file cannot be held in this way'

describe('a held file', { skip }, () => {
  let path: string
  let directory: OpenDirectory

  beforeEach(() => {
    path = fs.mkdtempSync(join(os.tmpdir(), 'slocket-held-'))
    directory = openDirectory(path)
  })
  afterEach(() => {
    mock.restoreAll()
    directory.close()
    fs.rmSync(path, { recursive: true, force: true })
  })

  test('is refused if it does not show that it is held, since two would hold; nothing is left of it', () => {
    const before = descriptors()
    assert.throws(
      () => holdFile(directory, 'file'),
      (error) => isSlocketError(error, 'ERR_SLOCKET_NO_SOCKETS'),
    )
    assert.deepEqual(fs.readdirSync(path), [])
    assert.equal(descriptors(), before)
  })

  test('is impossible if files cannot have second names', () => {
    mock.method(fs, 'linkSync', () => {
      throw Object.assign(new Error('no links'), { code: 'ENOTSUP' })
    })
    assert.throws(
      () => holdFile(directory, 'file'),
      (error) => isSlocketError(error, 'ERR_SLOCKET_NO_SOCKETS'),
    )
    assert.deepEqual(fs.readdirSync(path), [])
  })

  for (const [code, reason] of [
    ['EAGAIN', 'somebody else has locked it before its owner did'],
    ['ENOTSUP', 'its file system knows no locks'],
  ] as const) {
    test(`leaves nothing behind if ${reason}`, () => {
      const { openSync } = fs
      mock.method(fs, 'openSync', (file: string, flags: number, mode: number) => {
        fs.closeSync(openSync(file, flags, mode))
        throw Object.assign(new Error(reason), { code })
      })
      assert.throws(() => holdFile(directory, 'file'), { code })
      assert.deepEqual(fs.readdirSync(path), [])
    })
  }

  test('leaves an entry that already has its name', () => {
    fs.writeFileSync(join(path, 'file'), 'content')
    assert.throws(() => holdFile(directory, 'file'), { code: 'EEXIST' })
    assert.equal(fs.readFileSync(join(path, 'file'), 'utf8'), 'content')
  })

  test('is alive if it is locked, and gone if a link has replaced it', () => {
    const file = join(path, 'file')
    fs.symlinkSync('other', file)
    assert.equal(lookAtFile(file), 'gone')
    for (const [code, found] of [
      ['EAGAIN', 'alive'],
      ['ENOENT', 'gone'],
      ['ENOTDIR', 'gone'],
      ['EMLINK', 'gone'],
    ] as const) {
      failToOpen(code)
      assert.equal(lookAtFile(file), found, code)
    }
  })

  test('is not taken for dead due to a missing permission, missing descriptors, or a disk error', () => {
    for (const [code, expected] of [
      ['EACCES', 'ERR_SLOCKET_PERMISSION'],
      ['EPERM', 'ERR_SLOCKET_PERMISSION'],
      ['EMFILE', 'ERR_SLOCKET_RESOURCES'],
      ['EIO', 'ERR_SLOCKET_SYSTEM'],
    ] as const) {
      failToOpen(code)
      assert.throws(
        () => lookAtFile(join(path, 'file')),
        (error) => isSlocketError(error, expected),
      )
    }
  })
})

function descriptors(): number {
  return fs.readdirSync('/proc/self/fd').length
}

function failToOpen(code: string): void {
  mock.restoreAll()
  mock.method(fs, 'openSync', () => {
    throw Object.assign(new Error(code), { code })
  })
}
