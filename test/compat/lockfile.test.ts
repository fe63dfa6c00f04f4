/** `slocket/lockfile`, beside what lockfile 1.0.4 does. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { promisify } from 'node:util'
import type { LockOptions } from '../../src/compat/lockfile.ts'
import lockfile, { check, checkSync, lock, lockSync, unlock, unlockSync } from '../../src/compat/lockfile.ts'
import slocket from '../../src/index.ts'
import { makeParent } from '../api/run-child.ts'
import { Program } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'
import { exceptOnWindows, NO_REMOVAL } from '../helpers/windows.ts'

const NFS = 0x6969
/** An imitated network file system. */
const NO_STATFS = exceptOnWindows('on Windows, statfs is not asked for network file systems')
const settable = lockfile as unknown as { filetime: string }
const USUAL_TIME = settable.filetime
const DOOR = `const door = await import(${JSON.stringify(new URL('../../src/compat/lockfile.js', import.meta.url).href)})\n`
const LONG = { wait: 600_000 }

const acquire = promisify(lock) as (file: string, options: LockOptions) => Promise<void>
const release = promisify(unlock)
const isLocked = promisify(check) as unknown as (file: string, options: LockOptions) => Promise<boolean>

let lockPath: string
let dispose: () => void

beforeEach(() => {
  ;({ lockPath, dispose } = makeParent())
})
afterEach(() => {
  mock.restoreAll()
  dispose()
})

function hasCode(code: string, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    const { code: actual, message: text } = error as NodeJS.ErrnoException
    assert.equal(actual, code)
    if (message !== undefined) assert.match(text, message)
    return true
  }
}

const exists = hasCode('EEXIST', /^EEXIST: file already exists, open '/)

function holdElsewhere(before = ''): Program {
  return new Program(lockPath, `${DOOR} door.lockSync(lockPath); say('locked'); hear(); door.unlockSync(lockPath)`, {
    before,
  })
}

test('the default export has all functions as its properties', () => {
  const functions = { lock, lockSync, unlock, unlockSync, check, checkSync }
  for (const [name, value] of Object.entries(functions))
    assert.equal((lockfile as unknown as Record<string, unknown>)[name], value)
})

for (const [where, before] of [
  ['by sockets', ''],
  ['where slocket refuses', `fs.statfsSync = () => ({ type: ${NFS} })\n`],
] as const) {
  const isRefused = before !== ''

  describe(`a lock ${where}`, { skip: isRefused && NO_STATFS }, () => {
    beforeEach(() => {
      if (isRefused) mock.method(fs, 'statfsSync', () => ({ type: NFS }))
    })

    test('is at the path, and gone after its release', async () => {
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [false, false])
      await acquire(lockPath, {})
      assert.equal(fs.statSync(lockPath).isFile(), isRefused)
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [true, true])
      await release(lockPath)
      assert.equal(fs.existsSync(lockPath), false)
      lockSync(lockPath)
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [true, true])
      unlockSync(lockPath)
      assert.equal(fs.existsSync(lockPath), false)
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [false, false])
    })

    test('is EEXIST if it is held, also after the wait', async () => {
      await acquire(lockPath, {})
      await assert.rejects(acquire(lockPath, {}), exists)
      await assert.rejects(acquire(lockPath, { retries: 2, retryWait: 5, wait: 5, pollPeriod: 5 }), exists)
      assert.throws(() => lockSync(lockPath), exists)
      assert.throws(() => lockSync(`${lockPath}/../lock`, { retries: 3 }), exists)
      await release(lockPath)
    })

    test('is granted during the wait', async () => {
      await acquire(lockPath, {})
      const waiting = acquire(lockPath, LONG)
      await release(lockPath)
      await waiting
      await assert.rejects(acquire(lockPath, {}), exists)
      await release(lockPath)
    })

    test('is granted with unlimited retries', async () => {
      for (const options of [{ retries: Infinity, retryWait: 5 }, { retries: Infinity }, { wait: Infinity }]) {
        await acquire(lockPath, {})
        const waiting = acquire(lockPath, { ...options, pollPeriod: 5 })
        await release(lockPath)
        await waiting
        await release(lockPath)
      }
    })

    test('of another process is not removed by unlock', async () => {
      const program = holdElsewhere(before)
      assert.equal(await program.next(), 'locked')
      await assert.rejects(release(lockPath), hasCode('ENOTACQUIRED', /never held by this one/))
      assert.throws(() => unlockSync(lockPath), hasCode('ENOTACQUIRED'))
      // Nobody hears of it, and nothing throws.
      unlock(lockPath)
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [true, true])
      const waiting = acquire(lockPath, LONG)
      program.goOn()
      assert.equal((await program.ended()).code, 0)
      await waiting
      await release(lockPath)
      // It had the lock, and its unlock has no effect.
      const next = holdElsewhere(before)
      assert.equal(await next.next(), 'locked')
      await release(lockPath)
      unlockSync(lockPath)
      assert.equal(checkSync(lockPath), true)
      next.goOn()
      assert.equal((await next.ended()).code, 0)
      // That may be a file of lockfile.
      fs.writeFileSync(lockPath, '')
      unlockSync(lockPath)
      await release(lockPath)
      assert.equal(checkSync(lockPath), true)
    })

    test('of a process that has exited is free', async () => {
      const program = new Program(lockPath, `${DOOR} door.lock(lockPath, () => say('locked'))`, { before })
      assert.equal(await program.next(), 'locked')
      assert.equal((await program.ended()).code, 0)
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [false, false])
      lockSync(lockPath)
      unlockSync(lockPath)
      assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), [])
    })

    test('waits for a file of lockfile, and removes it when it is stale', async () => {
      fs.writeFileSync(lockPath, '')
      const old = { stale: 600_000 }
      await assert.rejects(acquire(lockPath, old), exists)
      assert.throws(() => lockSync(lockPath, old), exists)
      assert.deepEqual([await isLocked(lockPath, old), checkSync(lockPath, old)], [true, true])
      assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [true, true])
      const waiting = acquire(lockPath, { ...LONG, stale: 20, pollPeriod: 5 })
      await waiting
      await release(lockPath)
      assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), [])
      fs.writeFileSync(lockPath, '')
      await until('it is stale', () => !checkSync(lockPath, { stale: 20 }))
      assert.equal(await isLocked(lockPath, { stale: 20 }), false)
      lockSync(lockPath, { stale: 20 })
      unlockSync(lockPath)
      assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), [])
    })

    test('ages a file by its ctime (on Windows by mtime), or as lockfile.filetime says', () => {
      fs.writeFileSync(lockPath, '')
      fs.utimesSync(lockPath, 0, 0)
      const options = { stale: 60_000 }
      assert.equal(USUAL_TIME, process.platform === 'win32' ? 'mtime' : 'ctime')
      try {
        settable.filetime = 'ctime'
        assert.throws(() => lockSync(lockPath, options), exists)
        settable.filetime = 'mtime'
        assert.equal(checkSync(lockPath, options), false)
        lockSync(lockPath, options)
      } finally {
        settable.filetime = USUAL_TIME
      }
      unlockSync(lockPath)
    })

    test('leaves a stale file to another process that is about to remove it, unless that was killed', () => {
      fs.writeFileSync(lockPath, '')
      fs.writeFileSync(`${lockPath}.STALE`, '')
      settable.filetime = 'mtime'
      try {
        fs.utimesSync(lockPath, 0, 0)
        assert.throws(() => lockSync(lockPath, { stale: 60_000 }), exists)
        assert.equal(fs.existsSync(lockPath), true)
        fs.utimesSync(`${lockPath}.STALE`, 0, 0)
        assert.throws(() => lockSync(lockPath, { stale: 60_000 }), exists)
        lockSync(lockPath, { stale: 60_000 })
      } finally {
        settable.filetime = USUAL_TIME
      }
      unlockSync(lockPath)
      assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), [])
    })

    test('unlock removes a file of lockfile, as lockfile does', async () => {
      fs.writeFileSync(lockPath, '')
      await release(lockPath)
      assert.equal(fs.existsSync(lockPath), false)
      fs.writeFileSync(lockPath, '')
      unlockSync(lockPath)
      assert.equal(fs.existsSync(lockPath), false)
    })

    test('unlocking without a lock is not an error', async () => {
      await release(lockPath)
      unlockSync(lockPath)
      unlock(lockPath)
    })

    test('is ENOENT in a missing directory', async () => {
      const missing = path.join(lockPath, 'missing')
      await assert.rejects(acquire(missing, LONG), hasCode('ENOENT'))
      assert.throws(() => lockSync(missing), hasCode('ENOENT'))
      assert.deepEqual([await isLocked(missing, {}), checkSync(missing)], [false, false])
    })
  })
}

test('a lock of slocket has no age', async () => {
  const held = await slocket(lockPath)
  fs.utimesSync(lockPath, 0, 0)
  await assert.rejects(acquire(lockPath, { stale: 1, wait: 20, pollPeriod: 1 }), exists)
  assert.throws(() => lockSync(lockPath, { stale: 1 }), exists)
  assert.deepEqual([await isLocked(lockPath, { stale: 1 }), checkSync(lockPath, { stale: 1 })], [true, true])
  assert.equal(held.held, true)
  await held.release()
})

test(
  "where slocket refuses, a stale lock goes to the next process, and its former holder does not remove that one's",
  { skip: NO_STATFS },
  () => {
    mock.method(fs, 'statfsSync', () => ({ type: NFS }))
    lockSync(lockPath)
    fs.rmSync(lockPath)
    fs.writeFileSync(lockPath, 'slocket/lockfile of another process')
    assert.equal(checkSync(lockPath), true)
    unlockSync(lockPath)
    assert.equal(fs.existsSync(lockPath), true)
  },
)

test('a lost lock is not reported as held', { skip: NO_REMOVAL }, async () => {
  lockSync(lockPath)
  fs.rmSync(lockPath, { recursive: true })
  assert.deepEqual([await isLocked(lockPath, {}), checkSync(lockPath)], [false, false])
  unlockSync(lockPath)
})

test('the sync forms cannot wait', () => {
  const options: LockOptions[] = [{ wait: 1 }, { retryWait: 1 }]
  for (const each of options) assert.throws(() => lockSync(lockPath, each), /^Error: opts.wait not supported sync/)
  assert.throws(() => checkSync(lockPath, { wait: 1 } as LockOptions), /not supported sync/)
})

test('wrong arguments are a TypeError', () => {
  for (const wrong of [undefined, 5, '', 'a\0b'] as unknown as string[]) {
    for (const call of [lockSync, unlockSync, checkSync, unlock]) assert.throws(() => call(wrong), TypeError)
    assert.throws(() => lock(wrong, () => {}), TypeError)
    assert.throws(() => check(wrong, () => {}), TypeError)
  }
  for (const call of [lock, check] as unknown as ((...parameters: unknown[]) => void)[]) {
    assert.throws(() => call(lockPath), TypeError)
    assert.throws(() => call(lockPath, {}), TypeError)
  }
})

test('an exception from a callback is uncaught', async () => {
  const program = new Program(
    lockPath,
    `${DOOR} process.on('uncaughtException', ({ message }) => { say(message); door.unlockSync(lockPath) })
     process.on('unhandledRejection', () => say('rejection'))
     door.lock(lockPath, () => { throw new Error('mine') })`,
  )
  const { code, said } = await program.ended()
  assert.deepEqual([code, said], [0, ['mine']])
})
