// A relative path means what it means at the call, whatever the working directory is when its turn comes.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import properLockfile from '../../src/compat/proper-lockfile.ts'
import { local, LockManager, slocket } from '../../src/index.ts'
import type { Lock } from '../../src/index.ts'
import { exceptOnWindows, IN_USE } from '../helpers/windows.ts'

const before = process.cwd()
let parent: string
let here: string
let elsewhere: string

beforeEach(() => {
  parent = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-relative-')))
  here = path.join(parent, 'here')
  elsewhere = path.join(parent, 'elsewhere')
  for (const directory of [here, elsewhere]) fs.mkdirSync(directory)
  process.chdir(here)
})
afterEach(() => {
  process.chdir(before)
  fs.rmSync(parent, { recursive: true, force: true })
})

/** Makes the call here, and is elsewhere at once. */
function thenMove<T>(call: () => T): T {
  const result = call()
  process.chdir(elsewhere)
  return result
}

function assertHere(name = 'x.lock'): void {
  assert.deepEqual([fs.readdirSync(here).includes(name), fs.readdirSync(elsewhere)], [true, []])
}

describe('after a change of the working directory', () => {
  test('slocket() and slocket.try() hold the lock of the call', async () => {
    for (const call of [slocket, slocket.try]) {
      process.chdir(here)
      const lock = (await thenMove(() => call('x.lock', { linger: 0 })))!
      assertHere()
      assert.equal(lock.name, 'x.lock')
      await lock.release()
    }
  })

  test('the callback gets the lock of the call', async () => {
    const lock = await new Promise<Lock>((resolve, reject) => {
      thenMove(() =>
        slocket('x.lock', { linger: 0 }, (error, given) => {
          if (error === null) resolve(given!)
          else reject(error)
        }),
      )
    })
    assertHere()
    await lock.release()
  })

  test('the body of slocket.with() has the lock of the call, and may change the directory itself', async () => {
    await thenMove(() => slocket.with('x.lock', { linger: 0 }, () => assertHere()))
    process.chdir(here)
    await slocket.with('x.lock', { linger: 0 }, () => process.chdir(elsewhere))
    assert.deepEqual(fs.readdirSync(here), [])
  })

  test('slocket.query() shows the lock of the call', async () => {
    const lock = await slocket('x.lock')
    assert.equal((await thenMove(() => slocket.query('x.lock'))).held.length, 1)
    await lock.release()
  })

  test('slocket.sync() releases the lock of the call', () => {
    const lock = thenMove(() => slocket.sync('x.lock', { linger: 0 }))
    assertHere()
    assert.equal(lock.name, 'x.lock')
    lock.release()
    process.chdir(here)
    slocket.sync('x.lock', { linger: 0 }).release()
    process.chdir(elsewhere)
    slocket.sync('x.lock', { linger: 0 }).release()
    assert.deepEqual([fs.readdirSync(here), fs.readdirSync(elsewhere)], [[], []])
  })

  test("a wait continues for the lock of the call, and its timeout error shows that lock's holder", async () => {
    const holder = await slocket(path.resolve('x.lock'), { engine: local() })
    for (const timeout of [0, 30]) {
      process.chdir(here)
      await assert.rejects(
        thenMove(() => slocket('x.lock', { timeout })),
        /within \d+ ms: held by pid/,
      )
    }
    await holder.release()
  })

  test("named locks are in the root of the manager's creation", async () => {
    const locks = thenMove(() => new LockManager({ root: 'names' }))
    await locks.request('one', () => assertHere('names'))
    assert.equal((await locks.query()).held.length, 0)
    process.chdir(here)
    const again = thenMove(() => new LockManager({ root: 'names' }))
    await again.request('one', () => assertHere('names'))
  })

  test(
    "this user's named locks stay in place although TMPDIR is relative",
    { skip: exceptOnWindows('it has no TMPDIR') },
    async () => {
      const { TMPDIR, XDG_RUNTIME_DIR } = process.env
      delete process.env['XDG_RUNTIME_DIR']
      process.env['TMPDIR'] = '.'
      try {
        const locks = new LockManager()
        await locks.request('one', async () => {
          process.chdir(elsewhere)
          await locks.request('two', () => {})
          assert.deepEqual(fs.readdirSync(elsewhere), [])
        })
        assert.equal(fs.readdirSync(here).length, 1)
      } finally {
        delete process.env['TMPDIR']
        if (TMPDIR !== undefined) process.env['TMPDIR'] = TMPDIR
        if (XDG_RUNTIME_DIR !== undefined) process.env['XDG_RUNTIME_DIR'] = XDG_RUNTIME_DIR
      }
    },
  )

  test('the drop-in for proper-lockfile locks, checks and unlocks the file of the call', async () => {
    fs.writeFileSync('data', '')
    for (const options of [{}, { realpath: false }, { lockfilePath: 'data.lock' }]) {
      process.chdir(here)
      const release = await thenMove(() => properLockfile.lock('data', options))
      assertHere('data.lock')
      process.chdir(here)
      assert.equal(await thenMove(() => properLockfile.check('data', options)), true)
      await release()
      process.chdir(here)
      const releaseSync = thenMove(() => properLockfile.lockSync('data', options))
      assertHere('data.lock')
      process.chdir(here)
      assert.equal(properLockfile.checkSync('data', options), true)
      process.chdir(elsewhere)
      releaseSync()
      process.chdir(here)
      assert.equal(properLockfile.checkSync('data', options), false)
    }
  })
})

test('a relative root is an error if the working directory is gone', { skip: IN_USE }, () => {
  const gone = path.join(parent, 'gone')
  fs.mkdirSync(gone)
  process.chdir(gone)
  fs.rmdirSync(gone)
  assert.throws(() => new LockManager({ root: 'names' }), { code: 'ERR_SLOCKET_NO_PARENT' })
})
