/** `slocket/proper-lockfile` where slocket refuses: here, statfs says that everything is on NFS. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { check, checkSync, lock, lockSync, unlock, unlockSync } from '../../src/compat/proper-lockfile.ts'
import { mkdirOptionsOf } from '../../src/compat/proper-lockfile-options.ts'
import slocket, { isSlocketError } from '../../src/index.ts'
import { makeParent } from '../api/run-child.ts'
import { Program } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const NFS = 0x6969
const REFUSED = `fs.statfsSync = () => ({ type: ${NFS} })\n`
const FOREVER = { retries: { forever: true } }
/** Renewed as often as can be. */
const SHORT = { stale: 2000, update: 1000 }

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
afterEach(() => {
  mock.restoreAll()
  dispose()
})

function refuse(): void {
  mock.method(fs, 'statfsSync', () => ({ type: NFS }))
}

/** Times are in steps of 10 ms. */
async function untilLater(): Promise<void> {
  const startMs = Date.now()
  await until('some time has passed', () => Date.now() > startMs + 20)
}

function hasCode(code: string, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    const { code: actual, message: text } = error as NodeJS.ErrnoException
    assert.equal(actual, code)
    if (message !== undefined) assert.match(text, message)
    return true
  }
}

function makeOlder(ms: number): void {
  const then = new Date(Date.now() - ms)
  fs.utimesSync(lockPath, then, then)
}

describe('where slocket refuses', () => {
  test('a lock is an empty directory, as proper-lockfile makes it, and its release says so', async () => {
    refuse()
    for (const form of [lock, lockSync]) {
      const release = await form(file)
      assert.equal(release.kind, 'mkdir')
      assert.deepEqual(fs.readdirSync(lockPath), [])
      // By this bit, slocket knows its own.
      assert.equal(fs.statSync(lockPath).mode & 0o1000, 0)
      assert.equal(await release(), undefined)
      assert.equal(fs.existsSync(lockPath), false)
      await assert.rejects(async () => await release(), hasCode('ERELEASED'))
    }
    mock.restoreAll()
    for (const form of [lock, lockSync]) {
      const release = await form(file)
      assert.equal(release.kind, 'slocket')
      await release()
    }
    assert.deepEqual(fs.readdirSync(path.dirname(file)), ['file'])
  })

  test('slocket() still refuses', async () => {
    refuse()
    await assert.rejects(slocket(lockPath), hasCode('ERR_SLOCKET_NETWORK_FILE_SYSTEM'))
  })

  test('one process holds at a time; the error says why there is no queue', async () => {
    refuse()
    assert.deepEqual([await check(file), checkSync(file)], [false, false])
    for (const form of [lock, lockSync]) {
      const release = await form(file)
      await assert.rejects(lock(file), (error) => {
        assert.ok(isSlocketError((error as Error).cause, 'ERR_SLOCKET_NETWORK_FILE_SYSTEM'))
        assert.equal((error as { file?: string }).file, fs.realpathSync(file))
        return hasCode('ELOCKED', /^Lock file is already being held$/)(error)
      })
      assert.throws(() => lockSync(file), hasCode('ELOCKED'))
      assert.deepEqual([await check(file), checkSync(file)], [true, true])
      await release()
      assert.deepEqual([await check(file), checkSync(file)], [false, false])
    }
  })

  test('unlock and unlockSync release locks of either form, and nothing else', async () => {
    refuse()
    fs.mkdirSync(lockPath)
    await assert.rejects(unlock(file), hasCode('ENOTACQUIRED'))
    assert.throws(() => unlockSync(file), hasCode('ENOTACQUIRED'))
    fs.rmdirSync(lockPath)
    await lock(file)
    unlockSync(file)
    lockSync(file)
    await unlock(file)
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('a waiter gets the lock after its holder, or gives up at the end', async () => {
    refuse()
    const release = await lock(file)
    const waiting = lock(file, FOREVER)
    await assert.rejects(lock(file, { retries: { retries: 2, minTimeout: 10 } }), hasCode('ELOCKED'))
    await release()
    await (
      await waiting
    )()
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('system errors are those of mkdir', async () => {
    refuse()
    const options = { lockfilePath: path.join(`${file}-missing`, 'lock') }
    await assert.rejects(lock(file, options), (error) => {
      assert.equal((error as NodeJS.ErrnoException).syscall, 'mkdir')
      return hasCode('ENOENT')(error)
    })
    assert.throws(() => lockSync(file, options), hasCode('ENOENT'))
    fs.mkdirSync(lockPath)
    fs.writeFileSync(path.join(lockPath, 'other'), '')
    makeOlder(60_000)
    await assert.rejects(lock(file), hasCode('ENOTEMPTY'))
    assert.deepEqual(fs.readdirSync(lockPath), ['other'])
    assert.deepEqual(fs.readdirSync(path.dirname(file)).sort(), ['file', 'file.lock'])
  })

  test('options.fs provides mkdir, stat, utimes and rmdir', async () => {
    refuse()
    const called: string[] = []
    const wrap = (name: 'mkdir' | 'stat' | 'utimes' | 'rmdir'): Record<string, unknown> => ({
      [name]: (...parameters: unknown[]) => {
        called.push(name)
        return (fs[name] as (...all: unknown[]) => unknown)(...parameters)
      },
    })
    const own = { ...fs, ...wrap('mkdir'), ...wrap('stat'), ...wrap('utimes'), ...wrap('rmdir') }
    await (
      await lock(file, { fs: own })
    )()
    assert.deepEqual(called, ['mkdir', 'utimes', 'stat', 'stat', 'rmdir'])
    await assert.rejects(lock(file, { fs: { ...own, mkdir: fail } }), /^Error: mine$/)
    await assert.rejects(lock(file, { fs: { ...own, utimes: fail } }), /^Error: mine$/)
    assert.equal(fs.existsSync(lockPath), false, 'what could not be renewed is removed')
  })
})

function fail(...parameters: unknown[]): void {
  ;(parameters.at(-1) as (error: Error) => void)(new Error('mine'))
}

describe('the age of a lock by mkdir', () => {
  test('update is half of stale, at least a second, and at most half of stale and the limit of timers', () => {
    const updates = [
      [{}, 5000],
      [{ stale: 1 }, 1000],
      [{ update: 1 }, 1000],
      [{ update: 60_000 }, 5000],
      [{ stale: 60_000, update: 20_000 }, 20_000],
      [{ stale: Infinity }, 2 ** 31 - 1],
      [{ stale: Infinity, update: Infinity }, 2 ** 31 - 1],
      [{ stale: 2 ** 40 }, 2 ** 31 - 1],
    ] as const
    for (const [options, updateMs] of updates) assert.equal(mkdirOptionsOf(options).updateMs, updateMs)
  })

  test('it is renewed while the lock is held', async () => {
    refuse()
    const release = await lock(file, SHORT)
    const before = fs.statSync(lockPath).mtimeMs
    await until('it is renewed', () => fs.statSync(lockPath).mtimeMs > before)
    await release()
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('a stale lock is taken over; its former holder is notified, and removes nothing', async () => {
    refuse()
    for (const form of [lock, lockSync]) {
      const errors: Error[] = []
      const first = await lock(file, { ...SHORT, onCompromised: (error) => errors.push(error) })
      await untilLater()
      makeOlder(60_000)
      const second = await form(file, SHORT)
      await until('it is told', () => errors.length > 0)
      hasCode('ECOMPROMISED', /stale threshold/)(errors[0])
      await assert.rejects(first(), hasCode('ERELEASED'))
      assert.equal(await check(file), true)
      await second()
      assert.deepEqual(fs.readdirSync(path.dirname(file)), ['file'])
    }
  })

  test("a former holder that does not know of its loss yet does not release another process's lock", async () => {
    refuse()
    for (const form of [lock, lockSync]) {
      const release = await form(file, { stale: 60_000, update: 30_000, onCompromised: assert.fail })
      await untilLater()
      makeOlder(120_000)
      const other = await form(file, { stale: 60_000 })
      await assert.rejects(async () => await release(), hasCode('ECOMPROMISED'))
      assert.equal(await check(file), true)
      await other()
      assert.equal(fs.existsSync(lockPath), false)
    }
  })

  test('a holder is notified if its directory was removed', async () => {
    refuse()
    const errors: Error[] = []
    await lock(file, { ...SHORT, onCompromised: (error) => errors.push(error) })
    fs.rmdirSync(lockPath)
    await until('it is told', () => errors.length > 0)
    hasCode('ECOMPROMISED')(errors[0])
    await assert.rejects(unlock(file), hasCode('ENOTACQUIRED'))
  })

  test('a takeover that was interrupted does not block the lock for good', async () => {
    refuse()
    fs.mkdirSync(lockPath)
    makeOlder(60_000)
    const guard = `${lockPath}.takeover`
    fs.mkdirSync(guard)
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    fs.utimesSync(guard, 0, 0)
    await (
      await lock(file, { retries: 1 })
    )()
    assert.deepEqual(fs.readdirSync(path.dirname(file)), ['file'])
  })
})

describe('the end of a process that holds a mkdir lock', () => {
  test('an exit removes the lock; after a kill it stays until it is stale', async () => {
    const exits = new Program(file, `await lockfile.lock(lockPath); say('locked'); hear(); process.exit()`, {
      before: REFUSED,
    })
    assert.equal(await exits.next(), 'locked')
    assert.equal(fs.existsSync(lockPath), true)
    exits.goOn()
    assert.equal((await exits.ended()).code, 0)
    assert.equal(fs.existsSync(lockPath), false)

    const killed = new Program(file, `lockfile.lockSync(lockPath); say('locked'); hear()`, { before: REFUSED })
    assert.equal(await killed.next(), 'locked')
    killed.signal('SIGKILL')
    await killed.ended()
    refuse()
    await assert.rejects(lock(file), hasCode('ELOCKED'))
    makeOlder(60_000)
    await (
      await lock(file)
    )()
  })

  test("it does not keep the process alive, and an exit does not remove another process's lock", async () => {
    const program = new Program(file, `await lockfile.lock(lockPath); say('locked'); hear()`, { before: REFUSED })
    assert.equal(await program.next(), 'locked')
    await untilLater()
    fs.rmdirSync(lockPath)
    fs.mkdirSync(lockPath)
    program.goOn()
    const { code, stderr } = await program.ended()
    assert.deepEqual([code, stderr], [0, ''])
    assert.equal(fs.existsSync(lockPath), true)
  })
})

test('in a sandbox without sockets, locks use mkdir, and nothing else is created at the path', async () => {
  const before = `
    import net from 'node:net'
    net.Server.prototype.listen = function () {
      process.nextTick(() => this.emit('error', Object.assign(new Error('forbidden'), { code: 'EPERM' })))
      return this
    }
    const made = []
    const { mkdirSync } = fs
    fs.mkdirSync = (...parameters) => { made.push(parameters[0]); return mkdirSync(...parameters) }
`
  const body = `for (const form of ['lock', 'lockSync']) {
      const release = await lockfile[form](lockPath)
      say(release.kind)
      await release()
    }
    say(made)`
  const { said, stderr } = await new Program(file, body, { before }).ended()
  assert.deepEqual(said, ['mkdir', 'mkdir', [lockPath]], stderr)
})

test("in a sandbox that forbids only sockets without a file, locks are slocket's", async () => {
  const before = `
    import net from 'node:net'
    const { listen } = net.Server.prototype
    net.Server.prototype.listen = function (options, ...rest) {
      if (options?.path?.startsWith('\\0') !== true) return listen.call(this, options, ...rest)
      process.nextTick(() => this.emit('error', Object.assign(new Error('forbidden'), { code: 'EPERM' })))
      return this
    }
`
  const body = `for (const form of ['lock', 'lockSync']) {
      const release = await lockfile[form](lockPath)
      say(release.kind)
      await release()
    }`
  const { said, stderr } = await new Program(file, body, { before }).ended()
  assert.deepEqual(said, ['slocket', 'slocket'], stderr)
  assert.deepEqual(fs.readdirSync(path.dirname(file)), ['file'])
})

test('descriptors that become free between two attempts at a socket are no reason to refuse', async () => {
  const before = `
    import net from 'node:net'
    const { listen } = net.Server.prototype
    let failures = 2
    net.Server.prototype.listen = function (...parameters) {
      if (failures === 0) return listen.apply(this, parameters)
      failures -= 1
      process.nextTick(() => this.emit('error', Object.assign(new Error('too many'), { code: 'EMFILE' })))
      return this
    }
`
  const body = `const release = lockfile.lockSync(lockPath)
    say(release.kind)
    release()`
  const { said, stderr } = await new Program(file, body, { before }).ended()
  assert.deepEqual(said, ['slocket'], stderr)
})

test('a mkdir lock listens to the exit of the process while it is held, and to no signal', async () => {
  const body = `
    const NAMES = ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP']
    const before = NAMES.map((name) => process.listenerCount(name))
    const count = () => NAMES.map((name, index) => process.listenerCount(name) - before[index])
    const release = await lockfile(lockPath)
    say(count())
    await release()
    say(count())`
  const { said, stderr } = await new Program(file, body, { before: REFUSED }).ended()
  assert.deepEqual(
    said,
    [
      [1, 0, 0, 0],
      [0, 0, 0, 0],
    ],
    stderr,
  )
})
