/**
 * slocket/proper-lockfile beside proper-lockfile itself, which creates an empty directory, touches it now and then, and removes it. It takes over
 * a directory that was not touched for a while: it removes it and creates another. The tests do these steps by hand.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { check, checkSync, lock, lockSync } from '../../src/compat/proper-lockfile.ts'
import { QueueDirectory } from '../../src/engines/local/directory.ts'
import { makeParent } from '../api/run-child.ts'
import { Program } from '../helpers/program.ts'
import { exceptOnWindows } from '../helpers/windows.ts'

const NO_MODES = exceptOnWindows('Windows keeps no modes that say who has made a directory')

const STALE = { stale: 60_000 }
const FOREVER = { retries: { forever: true } }

let file: string
let lockPath: string
let dispose: () => void

beforeEach(() => {
  const parent = makeParent()
  dispose = parent.dispose
  file = path.join(path.dirname(parent.lockPath), 'file')
  lockPath = `${file}.lock`
  fs.writeFileSync(file, '')
})
afterEach(() => dispose())

function isLocked(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ELOCKED'
}

function makeOlder(ms: number): void {
  const then = new Date(Date.now() - ms)
  fs.utimesSync(lockPath, then, then)
}

/** Takes a mkdir lock. Returns 'locked', or the code of the failure. */
function mkdirLock(): string {
  try {
    fs.mkdirSync(lockPath)
    return 'locked'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!
  }
}

function rmdirCode(): string | undefined {
  try {
    fs.rmdirSync(lockPath)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe('a directory that proper-lockfile holds', () => {
  test('is respected while it is fresh, and is not touched', async () => {
    mkdirLock()
    makeOlder(30_000)
    const before = fs.statSync(lockPath)
    await assert.rejects(lock(file, STALE), isLocked)
    await assert.rejects(lock(file, { ...STALE, retries: { retries: 1, minTimeout: 50 } }), isLocked)
    assert.throws(() => lockSync(file, STALE), isLocked)
    assert.deepEqual([await check(file, STALE), checkSync(file, STALE)], [true, true])
    const after = fs.statSync(lockPath)
    assert.deepEqual([after.ino, after.mtimeMs, after.mode], [before.ino, before.mtimeMs, before.mode])
    assert.deepEqual(fs.readdirSync(lockPath), [])
    assert.equal(rmdirCode(), undefined)
  })

  test('is waited for', async () => {
    mkdirLock()
    const waiting = lock(file, FOREVER)
    assert.equal(await Promise.race([waiting.then(() => 'locked'), check(file)]), true)
    fs.rmdirSync(lockPath)
    await (
      await waiting
    )()
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('counts as abandoned when it is stale: slocket takes it over, and removes it at the end', async () => {
    for (const form of [lock, lockSync]) {
      mkdirLock()
      makeOlder(61_000)
      assert.deepEqual([await check(file, STALE), checkSync(file, STALE)], [false, false])
      const inode = fs.statSync(lockPath).ino
      const release = await form(file, STALE)
      assert.equal(fs.statSync(lockPath).ino, inode, 'the very directory that was judged')
      assert.equal(rmdirCode(), 'ENOTEMPTY', 'its maker cannot remove it')
      assert.ok(Date.now() - fs.statSync(lockPath).mtimeMs < 30_000, 'its maker finds that it was touched')
      await release()
      assert.equal(fs.existsSync(lockPath), false)
    }
  })

  test('is stale after 10 s, or after 2 s if a shorter time was given', async () => {
    mkdirLock()
    makeOlder(9000)
    assert.equal(await check(file), true)
    makeOlder(11_000)
    assert.equal(await check(file), false)
    makeOlder(1000)
    assert.equal(await check(file, { stale: 1 }), true)
    makeOlder(3000)
    for (const stale of [1, 0, -5, NaN]) assert.equal(await check(file, { stale }), false)
  })

  test('becomes stale while slocket waits', async () => {
    mkdirLock()
    makeOlder(1000)
    await (
      await lock(file, { stale: 2000, ...FOREVER })
    )()
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('that replaced ours between our check and our next step is respected', () => {
    // Nothing is there when it looks; the other one's is when it makes what is missing.
    const directory = new QueueDirectory(lockPath, { mkdirStaleMs: 60_000 })
    const mkdirSync = fs.mkdirSync
    let made = 0
    fs.mkdirSync = ((name: string, mode?: fs.Mode) => {
      made += 1
      if (made === 1) mkdirSync(lockPath)
      return mkdirSync(name, mode)
    }) as typeof fs.mkdirSync
    try {
      assert.equal(directory.open(), 'foreign')
    } finally {
      fs.mkdirSync = mkdirSync
    }
    assert.deepEqual(fs.readdirSync(lockPath), [])
  })
})

describe('a lock of ours, as proper-lockfile sees it', () => {
  test('cannot be created, nor removed as stale', async () => {
    for (const form of [lock, lockSync]) {
      const release = await form(file)
      assert.equal(mkdirLock(), 'EEXIST')
      makeOlder(3_600_000)
      assert.equal(rmdirCode(), 'ENOTEMPTY')
      await release()
      assert.equal(mkdirLock(), 'locked')
      assert.equal(rmdirCode(), undefined)
    }
  })

  test('an empty directory made by slocket is abandoned, however fresh it is', { skip: NO_MODES }, async () => {
    fs.mkdirSync(lockPath, 0o1755)
    assert.deepEqual([await check(file), checkSync(file)], [false, false])
    await (
      await lock(file)
    )()
    assert.equal(fs.existsSync(lockPath), false)
  })

  test("a regular file at the path is another tool's lock until it is gone", async () => {
    fs.writeFileSync(lockPath, '')
    assert.deepEqual([await check(file), checkSync(file)], [true, true])
    await assert.rejects(lock(file), isLocked)
    const waiting = lock(file, FOREVER)
    fs.rmSync(lockPath)
    await (
      await waiting
    )()
  })
})

describe(
  'an acquire while the file system has no room for what is in a lock',
  { skip: exceptOnWindows('Windows has no such directory') },
  () => {
    for (const form of [lock, lockSync]) {
      test(`leaves nothing behind that proper-lockfile would take for a lock: ${form.name}`, async (t) => {
        const make = fs.mkdirSync
        const making = t.mock.method(fs, 'mkdirSync', ((directory: string, mode: number) => {
          if (!directory.endsWith('/.members')) return make(directory, mode)
          throw Object.assign(new Error('ENOSPC: no space left on device, mkdir'), { code: 'ENOSPC' })
        }) as typeof fs.mkdirSync)
        await assert.rejects(async () => await form(file), { code: 'ENOSPC' })
        making.mock.restore()
        assert.ok(making.mock.callCount() > 1)
        assert.equal(mkdirLock(), 'locked')
      })
    }
  },
)

describe(
  'a release while the process has no descriptors',
  { skip: exceptOnWindows('Windows needs no descriptors') },
  () => {
    for (const acquire of ['await lockfile.lock', 'lockfile.lockSync']) {
      test(`leaves nothing behind that proper-lockfile would take for a lock: ${acquire}`, async () => {
        const body = `const release = ${acquire}(lockPath, { realpath: false })
        exhaust()
        await release()
        process.exit()`
        const { code, stderr } = await new Program(file, body, { descriptors: 64 }).ended()
        assert.deepEqual([code, stderr], [0, ''])
        assert.equal(mkdirLock(), 'locked')
      })
    }
  },
)
