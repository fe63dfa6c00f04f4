/** `slocket/proper-lockfile`, beside what proper-lockfile 4.1.2 does. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { LockOptions } from '../../src/compat/proper-lockfile.ts'
import lockfile, { check, checkSync, lock, lockSync, unlock, unlockSync } from '../../src/compat/proper-lockfile.ts'
import slocket, { isSlocketError } from '../../src/index.ts'
import { makeParent, runChild } from '../api/run-child.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { until } from '../helpers/until.ts'
import { NO_LINKS, NO_REMOVAL } from '../helpers/windows.ts'

const COMPILED = fileURLToPath(new URL('../../src/compat/proper-lockfile.js', import.meta.url))
const LOADED = `const { default: lockfile } = await import(${JSON.stringify(pathToFileURL(COMPILED))})\n`

let file: string
let dispose: () => void

beforeEach(() => {
  const parent = makeParent()
  dispose = parent.dispose
  file = path.join(path.dirname(parent.lockPath), 'file')
  fs.writeFileSync(file, '')
})
afterEach(() => dispose())

function hasCode(code: string, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    const { code: actual, message: text } = error as NodeJS.ErrnoException
    assert.equal(actual, code)
    if (message !== undefined) assert.match(text, message)
    return true
  }
}

describe('exports', () => {
  const functions = { lock, unlock, check, lockSync, unlockSync, checkSync }

  test('the default export is lock, with all functions as its properties', () => {
    assert.equal(lockfile, lock)
    for (const [name, value] of Object.entries(functions)) {
      assert.equal((lockfile as unknown as Record<string, unknown>)[name], value)
    }
  })
})

test('checkSync uses options.fs like check does, and also sees locks of slocket', async () => {
  const stats = (): fs.Stats => fs.lstatSync(file)
  const there = {
    ...fs,
    stat: (_path: string, done: (error: null, stats: fs.Stats) => void) => done(null, stats()),
    statSync: stats,
  }
  const missing = {
    ...fs,
    stat: (_path: string, done: (error: null, stats: undefined) => void) => done(null, undefined),
    statSync: () => undefined,
  }
  for (const [options, expected] of [
    [{ fs: there }, true],
    [{ fs: missing }, false],
  ] as const) {
    assert.deepEqual([await check(file, options), checkSync(file, options)], [expected, expected])
    const held = await slocket(`${file}.lock`)
    assert.deepEqual([await check(file, options), checkSync(file, options)], [true, true])
    await held.release()
  }
})

describe('lock', () => {
  test('is at FILE.lock, resolves with a function, and is gone after that has resolved', async () => {
    const release = await lock(file)
    assert.equal(fs.statSync(`${file}.lock`).isDirectory(), true)
    assert.equal(await release(), undefined)
    assert.equal(fs.existsSync(`${file}.lock`), false)
  })

  test('with a slice, the next lock in the same turn uses the same ticket, and the lock is gone after that turn', async () => {
    const options = { slice: 60_000, realpath: false }
    const ticket = (): string | undefined => ticketsIn(`${file}.lock`)[0]?.name
    const release = await lock(file, options)
    const first = ticket()
    await release()
    const again = await lock(file, options)
    assert.equal(ticket(), first)
    await again()
    assert.equal(ticket(), first)
    lockSync(file, options)()
    assert.notEqual(ticket(), first)
    await until('the lock is gone', () => !fs.existsSync(`${file}.lock`))
    await assert.rejects(lock(file, { slice: 60_001 }), RangeError)
  })

  test('is at options.lockfilePath', async () => {
    const release = await lock(file, { lockfilePath: `${file}.other` })
    assert.deepEqual([fs.existsSync(`${file}.other`), fs.existsSync(`${file}.lock`)], [true, false])
    await unlock(file)
    assert.equal(fs.existsSync(`${file}.other`), false)
    await assert.rejects(release(), hasCode('ERELEASED'))
  })

  test('is a lock of slocket', async () => {
    const release = await lock(file)
    assert.equal(await slocket.try(`${file}.lock`), null)
    await release()
    const other = await slocket(`${file}.lock`)
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    await other.release()
  })

  test('is ELOCKED if it is held, and names the file', async () => {
    const release = await lock(file)
    await assert.rejects(lock(file), (error) => {
      assert.equal((error as { file?: string }).file, fs.realpathSync(file))
      return hasCode('ELOCKED', /^Lock file is already being held$/)(error)
    })
    await release()
    await (
      await lock(file)
    )()
  })

  test('with retries, is granted as soon as it is free', async () => {
    const release = await lock(file)
    const waiting = lock(file, { retries: { retries: 1, minTimeout: 600_000 } })
    assert.equal(await Promise.race([waiting, check(file)]), true)
    await release()
    await (
      await waiting
    )()
  })

  test('with retries, is ELOCKED when they would be used up, and no longer waits', async () => {
    const release = await lock(file)
    await assert.rejects(lock(file, { retries: { retries: 3, minTimeout: 10 } }), (error) => {
      assert.ok(isSlocketError((error as Error).cause, 'ERR_SLOCKET_TIMEOUT'))
      return hasCode('ELOCKED', /already being held/)(error)
    })
    await release()
    assert.equal(fs.existsSync(`${file}.lock`), false)
  })

  test('with unlimited retries, waits without a limit', async () => {
    const release = await lock(file)
    const waiting = lock(file, { retries: { forever: true } })
    assert.equal(await Promise.race([waiting, check(file)]), true)
    await release()
    await (
      await waiting
    )()
  })

  test('of a missing file is ENOENT, unless realpath is false', async () => {
    const missing = `${file}-missing`
    await assert.rejects(lock(missing), hasCode('ENOENT'))
    const release = await lock(missing, { realpath: false })
    assert.equal(fs.existsSync(`${missing}.lock`), true)
    await release()
  })

  test('in a missing directory is ENOENT, from mkdir', async () => {
    const lockfilePath = path.join(`${file}-missing`, 'lock')
    await assert.rejects(lock(file, { lockfilePath }), (error) => {
      assert.equal((error as NodeJS.ErrnoException).syscall, 'mkdir')
      return hasCode('ENOENT')(error)
    })
    assert.throws(() => lockSync(file, { lockfilePath }), hasCode('ENOENT'))
  })

  test("an error of slocket has slocket's code", async () => {
    fs.mkdirSync(`${file}.lock`)
    fs.writeFileSync(path.join(`${file}.lock`, 'other'), '')
    await assert.rejects(lock(file), hasCode('ERR_SLOCKET_NOT_A_LOCK'))
    assert.throws(() => lockSync(file), hasCode('ERR_SLOCKET_NOT_A_LOCK'))
  })

  test('follows symbolic links, unless realpath is false', { skip: NO_LINKS }, async () => {
    fs.symlinkSync(file, `${file}-link`)
    const release = await lock(`${file}-link`)
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    assert.equal(await check(`${file}-link`), true)
    await release()
    const link = await lock(`${file}-link`, { realpath: false })
    await (
      await lock(file, { realpath: false })
    )()
    await link()
  })

  test("with another fs than Node's, resolves with that", async () => {
    const failing = {
      realpath: (_: string, callback: (error: Error) => void) => callback(new Error('mine')),
      realpathSync: () => {
        throw new Error('mine')
      },
    }
    const options = { fs: { ...fs, ...failing } }
    for (const call of [lock, unlock, check]) await assert.rejects(call(file, options), /^Error: mine$/)
    for (const call of [lockSync, unlockSync, checkSync]) assert.throws(() => call(file, options), /^Error: mine$/)
  })
})

describe('release and unlock', () => {
  test('a second release is ERELEASED', async () => {
    const release = await lock(file)
    await release()
    await assert.rejects(release(), hasCode('ERELEASED', /^Lock is already released$/))
  })

  test('unlock releases any lock of this process, and is ENOTACQUIRED otherwise', async () => {
    await assert.rejects(unlock(file), hasCode('ENOTACQUIRED', /not acquired\/owned by you/))
    const release = await lock(file)
    await unlock(file)
    assert.equal(await check(file), false)
    await assert.rejects(unlock(file), hasCode('ENOTACQUIRED'))
    await assert.rejects(release(), hasCode('ERELEASED'))
  })

  test("another process's lock is not released", async () => {
    const other = await slocket(`${file}.lock`)
    await assert.rejects(unlock(file), hasCode('ENOTACQUIRED'))
    assert.throws(() => unlockSync(file), hasCode('ENOTACQUIRED'))
    assert.equal(other.held, true)
    await other.release()
  })

  test('each release function releases its own lock of two locks of one file at two paths', async () => {
    const first = await lock(file)
    const second = await lock(file, { lockfilePath: `${file}.second` })
    await first()
    assert.deepEqual([fs.existsSync(`${file}.lock`), fs.existsSync(`${file}.second`)], [false, true])
    await second()
    assert.equal(fs.existsSync(`${file}.second`), false)
  })
})

test('a URL and a Buffer are paths, as for realpath, unless realpath is false', async () => {
  for (const given of [pathToFileURL(file), Buffer.from(file)] as unknown as string[]) {
    const release = await lock(given)
    assert.equal(fs.existsSync(`${file}.lock`), true)
    assert.deepEqual([await check(given), checkSync(given)], [true, true])
    await release()
    lockSync(given)
    await unlock(given)
    await lock(given)
    unlockSync(given)
    assert.deepEqual([await check(given), checkSync(given)], [false, false])
    await assert.rejects(lock(given, { realpath: false }), hasCode('ERR_INVALID_ARG_TYPE'))
    assert.throws(() => lockSync(given, { realpath: false }), hasCode('ERR_INVALID_ARG_TYPE'))
  }
  await assert.rejects(lock(5 as unknown as string), hasCode('ERR_INVALID_ARG_TYPE'))
  assert.throws(() => lockSync(undefined as unknown as string), hasCode('ERR_INVALID_ARG_TYPE'))
})

describe('check', () => {
  test('reports whether the file is locked, by any process', async () => {
    assert.deepEqual([await check(file), checkSync(file)], [false, false])
    const release = await lock(file)
    assert.deepEqual([await check(file), checkSync(file)], [true, true])
    await release()
    const other = await slocket(`${file}.lock`)
    assert.deepEqual([await check(file), checkSync(file)], [true, true])
    await other.release()
    assert.deepEqual([await check(file), checkSync(file)], [false, false])
  })

  test('of a missing file is ENOENT, unless realpath is false', async () => {
    const missing = `${file}-missing`
    await assert.rejects(check(missing), hasCode('ENOENT'))
    assert.throws(() => checkSync(missing), hasCode('ENOENT'))
    assert.equal(await check(missing, { realpath: false }), false)
    assert.equal(checkSync(missing, { realpath: false }), false)
  })
})

describe('the sync forms', () => {
  test('do the same synchronously', async () => {
    const release = lockSync(file)
    assert.equal(fs.existsSync(`${file}.lock`), true)
    assert.throws(() => lockSync(file), hasCode('ELOCKED', /already being held/))
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    assert.equal(release(), undefined)
    assert.equal(fs.existsSync(`${file}.lock`), false)
    assert.throws(() => release(), hasCode('ERELEASED'))
    lockSync(file)
    unlockSync(file)
    assert.throws(() => unlockSync(file), hasCode('ENOTACQUIRED'))
    assert.equal(fs.existsSync(`${file}.lock`), false)
  })

  test("sync and async forms release each other's locks", async () => {
    await lock(file)
    assert.throws(() => lockSync(file), hasCode('ELOCKED'))
    unlockSync(file)
    assert.equal(fs.existsSync(`${file}.lock`), false)
    lockSync(file)
    await unlock(file)
    assert.equal(fs.existsSync(`${file}.lock`), false)
  })

  test('reject retries with ESYNC', () => {
    const options: LockOptions[] = [{ retries: 1 }, { retries: { retries: 1 } }]
    for (const each of options) assert.throws(() => lockSync(file, each), hasCode('ESYNC', /Cannot use retries/))
    lockSync(file, { retries: 0 })()
    lockSync(file, { retries: { retries: 0 } })()
    // As proper-lockfile, which looks for a number only.
    for (const retries of [true, '3']) lockSync(file, { retries } as unknown as LockOptions)()
  })
})

describe('a lock that is lost', { skip: NO_REMOVAL }, () => {
  for (const form of ['lock', 'lockSync'] as const) {
    test(`${form}: onCompromised is called once, with ECOMPROMISED, and the file can be locked again`, async () => {
      const errors: Error[] = []
      const release = await lockfile[form](file, { onCompromised: (error) => errors.push(error) })
      fs.rmSync(`${file}.lock`, { recursive: true })
      await until('it is told', () => errors.length > 0)
      hasCode('ECOMPROMISED', /ENOENT/)(errors[0])
      await assert.rejects(async () => await release(), hasCode('ERELEASED'))
      await assert.rejects(unlock(file), hasCode('ENOTACQUIRED'))
      await (
        await lock(file)
      )()
      assert.equal(errors.length, 1)
    })
  }

  for (const look of ['check', 'checkSync'] as const) {
    test(`is noticed by ${look} of its holder, which then calls onCompromised`, async () => {
      const errors: Error[] = []
      await lock(file, { onCompromised: (error) => errors.push(error) })
      assert.equal(await lockfile[look](file), true)
      fs.rmSync(`${file}.lock`, { recursive: true })
      assert.equal(await lockfile[look](file), false)
      await new Promise((resolve) => setImmediate(resolve))
      hasCode('ECOMPROMISED', /ENOENT/)(errors[0])
    })
  }

  test('is an uncaught exception without onCompromised', async () => {
    const { code, stderr } = await runChild(
      `${LOADED}
       import fs from 'node:fs'
       await lockfile.lock(lockPath, { realpath: false })
       fs.rmSync(lockPath + '.lock', { recursive: true })
       setInterval(() => {}, 1000)`,
      file,
    )
    assert.equal(code, 1)
    assert.match(stderr, /ECOMPROMISED/)
  })

  test('a released lock is not lost', async () => {
    const errors: Error[] = []
    const release = await lock(file, { onCompromised: (error) => errors.push(error) })
    await release()
    fs.rmSync(`${file}.lock`, { recursive: true, force: true })
    await (
      await lock(file)
    )()
    assert.deepEqual(errors, [])
  })
})

describe('the end of a process', () => {
  const ENDS = {
    'with nothing left to do': '',
    'by process.exit': 'process.exit(0)',
    'by an uncaught exception': `throw new Error('mine')`,
  }

  for (const [how, end] of Object.entries(ENDS)) {
    for (const form of ['lock', 'lockSync'] as const) {
      test(`${how} frees what ${form} has locked, and the next process leaves nothing behind`, async () => {
        const { stdout } = await runChild(
          `${LOADED} await lockfile.${form}(lockPath); console.log('locked'); ${end}`,
          file,
        )
        assert.equal(stdout, 'locked\n')
        assert.deepEqual([await check(file), checkSync(file)], [false, false])
        await (
          await lock(file)
        )()
        assert.deepEqual(fs.readdirSync(path.dirname(file)), ['file'])
      })
    }
  }

  test('frees the lock even if no handler can run: nobody waits for a stale age', async () => {
    const { stdout } = await runChild(
      `${LOADED} lockfile.lockSync(lockPath); await lockfile.lock(lockPath + '2', { realpath: false })
       console.log('locked'); process.kill(process.pid, 'SIGKILL')`,
      file,
    )
    assert.equal(stdout, 'locked\n')
    assert.equal(fs.existsSync(`${file}.lock`), true)
    assert.deepEqual([await check(file), checkSync(file)], [false, false])
    lockSync(file)()
    await (
      await lock(`${file}2`, { realpath: false })
    )()
    await until('nothing is left', () => fs.readdirSync(path.dirname(file)).length === 1)
  })
})

test('leaves no listener on the process, and no signal handler', async () => {
  const count = (): number[] => ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => process.listenerCount(name))
  // The thread of the sync forms may be there.
  lockSync(file)()
  const before = count()
  const release = await lock(file)
  assert.deepEqual(count().slice(1), before.slice(1))
  await release()
  assert.deepEqual(count(), before)
})
