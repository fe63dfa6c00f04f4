/** Lock files of `slocket/lockfile` where slocket refuses, when the file system or the system doesn't do all that it is asked. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { checkSync, lockSync, unlock, unlockSync } from '../../src/compat/lockfile.ts'
import { systemCode } from '../../src/errors.ts'
import { makeParent } from '../api/run-child.ts'
import { Program } from '../helpers/program.ts'

const NFS = 0x6969
const DOOR = `const door = await import(${JSON.stringify(new URL('../../src/compat/lockfile.js', import.meta.url).href)})\n`

let lockPath: string
let dispose: () => void

beforeEach(() => {
  ;({ lockPath, dispose } = makeParent())
  mock.method(fs, 'statfsSync', () => ({ type: NFS }))
})
afterEach(() => {
  mock.restoreAll()
  dispose()
})

function failure(code: string, syscall: string): Error {
  return Object.assign(new Error(code), { code, errno: -1, syscall })
}

function failing(name: 'readFileSync' | 'linkSync', code: string): { restore(): void } {
  return mock.method(fs, name, () => {
    throw failure(code, name)
  }).mock
}

function names(): string[] {
  return fs.readdirSync(path.dirname(lockPath))
}

describe('without descriptors', () => {
  test('a lock can be released', () => {
    lockSync(lockPath)
    failing('readFileSync', 'EMFILE')
    assert.equal(checkSync(lockPath), true)
    unlockSync(lockPath)
    assert.deepEqual(names(), [])
  })

  test('a release that cannot check whether the lock is held fails, and succeeds later', async () => {
    for (const form of ['sync', 'callback']) {
      lockSync(lockPath)
      // As on a file system that changes what it says of a file.
      fs.utimesSync(lockPath, 1, 1)
      const mocked = failing('readFileSync', 'EMFILE')
      if (form === 'sync') assert.throws(() => unlockSync(lockPath), { code: 'EMFILE' })
      else assert.equal(systemCode(await new Promise<unknown>((resolve) => unlock(lockPath, resolve))), 'EMFILE')
      mocked.restore()
      assert.deepEqual(names(), [path.basename(lockPath)])
      unlockSync(lockPath)
      assert.deepEqual(names(), [])
    }
  })

  test('an exit after such a failure removes the lock', async () => {
    const program = new Program(
      lockPath,
      `${DOOR} door.lockSync(lockPath)
       fs.utimesSync(lockPath, 1, 1)
       const { readFileSync } = fs
       fs.readFileSync = () => { throw Object.assign(new Error('none'), { code: 'EMFILE', errno: -24, syscall: 'open' }) }
       try { door.unlockSync(lockPath) } catch ({ code }) { say(code) }
       fs.readFileSync = readFileSync`,
      { before: `fs.statfsSync = () => ({ type: ${NFS} })\n` },
    )
    const { said, stderr } = await program.ended()
    assert.deepEqual(said, ['EMFILE'], stderr)
    assert.deepEqual(names(), [])
  })
})

test('unlock by a process that never held the lock keeps a file that it cannot read', () => {
  fs.writeFileSync(lockPath, 'slocket/lockfile of another process')
  for (const code of ['EACCES', 'EMFILE', 'EIO']) {
    const mocked = failing('readFileSync', code)
    assert.throws(() => unlockSync(lockPath), { code: 'ENOTACQUIRED' })
    mocked.restore()
  }
  assert.deepEqual(names(), [path.basename(lockPath)])
})

describe('a process that is stopped before it has written its lock file', () => {
  /** Another process unlocks before the text is there. */
  function unlockBeforeText(): void {
    const { writeFileSync } = fs
    mock.method(fs, 'writeFileSync', (...parameters: Parameters<typeof fs.writeFileSync>) => {
      unlockSync(lockPath)
      writeFileSync(...parameters)
    })
  }

  test('keeps it when another process unlocks', () => {
    unlockBeforeText()
    lockSync(lockPath)
    assert.equal(checkSync(lockPath), true)
    unlockSync(lockPath)
    assert.deepEqual(names(), [])
  })

  test('has lost it when it continues, if the file system has no links', () => {
    failing('linkSync', 'EPERM')
    unlockBeforeText()
    assert.throws(() => lockSync(lockPath), { code: 'EEXIST' })
    mock.restoreAll()
    assert.equal(checkSync(lockPath), false)
    assert.deepEqual(names(), [])
  })
})

test('locks work on a file system without links', () => {
  failing('linkSync', 'EOPNOTSUPP')
  lockSync(lockPath)
  assert.throws(() => lockSync(lockPath), { code: 'EEXIST' })
  assert.deepEqual(names(), [path.basename(lockPath)])
  unlockSync(lockPath)
  assert.deepEqual(names(), [])
})

test('a link that was created counts even if the answer was lost', () => {
  const { linkSync } = fs
  mock.method(fs, 'linkSync', (from: string, to: string) => {
    linkSync(from, to)
    throw failure('EEXIST', 'link')
  })
  lockSync(lockPath)
  assert.deepEqual(names(), [path.basename(lockPath)])
  unlockSync(lockPath)
  assert.deepEqual(names(), [])
})

test('a later process does not get the lock by its link', () => {
  const { linkSync } = fs
  mock.method(fs, 'linkSync', (from: string, to: string) => {
    fs.writeFileSync(lockPath, 'slocket/lockfile of another process')
    linkSync(from, to)
  })
  assert.throws(() => lockSync(lockPath), { code: 'EEXIST' })
  assert.deepEqual(names(), [path.basename(lockPath)])
})

test('if the file cannot be written or closed, nothing is left behind, and nobody holds the lock', () => {
  const { closeSync } = fs
  const fail = (descriptor: number): void => {
    closeSync(descriptor)
    throw failure('ENOSPC', 'close')
  }
  for (const [name, implementation] of [
    ['closeSync', fail],
    [
      'writeFileSync',
      () => {
        throw failure('ENOSPC', 'write')
      },
    ],
  ] as const) {
    const mocked = mock.method(fs, name, implementation as () => void).mock
    assert.throws(() => lockSync(lockPath), { code: 'ENOSPC' })
    mocked.restore()
    assert.deepEqual(names(), [])
    lockSync(lockPath)
    unlockSync(lockPath)
  }
})
