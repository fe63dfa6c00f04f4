/**
 * A process with a lock by mkdir that is stopped, or whose renewals fail, until another one has taken the lock over: by a clock and a file system of this
 * test.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { MkdirLock, MkdirOptions } from '../../src/compat/mkdir-lock.ts'

const LOCK = '/lock'
const GUARD = `${LOCK}.takeover`
const STALE_MS = 4000
const START_MS = 1_000_000
/** A lock that isn't renewed while its test runs. */
const NOT_RENEWED = 600_000
/** Renewed at once. The pace of timers isn't that of the clock. */
const AT_ONCE = 1

let nowMs: number

// src/real-time.ts takes the clock when it is loaded.
const systemNow = Date.now
Date.now = () => nowMs
const { lockByMkdirSync } = await import('../../src/compat/mkdir-lock.ts')
Date.now = systemNow

/** Called before and after each call of `fs`. What it throws, the call fails with. */
type Watch = (when: 'before' | 'after', name: string, path: string) => void

/** The times of the directories, in ms. */
let files: Map<string, number>
let timer: NodeJS.Timeout

beforeEach(() => {
  nowMs = START_MS
  files = new Map()
  // The timers of a lock keep no process alive.
  timer = setInterval(() => {}, 1000)
})
afterEach(() => clearInterval(timer))

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

function take(name: string, path: string, mtime: Date | undefined): unknown {
  if (name === 'mkdir') {
    if (files.has(path)) throw failure('EEXIST')
    files.set(path, nowMs)
    return undefined
  }
  if (!files.has(path)) throw failure('ENOENT')
  if (name === 'rmdir') files.delete(path)
  if (name === 'utimes') files.set(path, mtime!.getTime())
  return { mtimeMs: files.get(path) }
}

function fsOf(watch: Watch): Record<string, unknown> {
  const calls: Record<string, unknown> = {}
  for (const name of ['mkdir', 'rmdir', 'stat', 'utimes']) {
    const sync = (path: string, _atime?: Date, mtime?: Date): unknown => {
      watch('before', name, path)
      const result = take(name, path, mtime)
      watch('after', name, path)
      return result
    }
    calls[`${name}Sync`] = sync
    calls[name] = (...parameters: unknown[]) => {
      const done = parameters.pop() as (error: unknown, result?: unknown) => void
      setImmediate(() => {
        let result: unknown
        try {
          result = sync(...(parameters as [string]))
        } catch (error) {
          return done(error)
        }
        done(null, result)
      })
    }
  }
  return calls
}

function options(watch: Watch = () => {}, updateMs = NOT_RENEWED): MkdirOptions {
  return { staleMs: STALE_MS, updateMs, fs: fsOf(watch) }
}

/** Another process gets the lock, by its second try if there is a guard to be removed. */
function takeElsewhere(): void {
  assert.ok(lockByMkdirSync(LOCK, options()) ?? lockByMkdirSync(LOCK, options()), 'another process gets it')
}

/** At the first of these calls, the process is stopped until its lock is stale; then `meanwhile` happens. */
function stopAt(at: Parameters<Watch>, meanwhile: () => void): Watch {
  let isDone = false
  return (...call) => {
    if (isDone || call.join() !== at.join()) return
    isDone = true
    nowMs += STALE_MS + 1000
    meanwhile()
  }
}

async function lost(lock: MkdirLock): Promise<void> {
  if (!lock.lossSignal.aborted) await once(lock.lossSignal, 'abort')
}

const isLost = { code: 'ECOMPROMISED' }

describe('a holder whose renewals fail', () => {
  let holder: MkdirLock
  let failed: Promise<void>
  let fails: boolean

  beforeEach(async () => {
    fails = true
    let resolveFailed: () => void
    failed = new Promise((resolve) => (resolveFailed = resolve))
    const watch: Watch = (when, name) => {
      if (when !== 'before' || name !== 'utimes' || nowMs === START_MS || !fails) return
      resolveFailed()
      throw failure('ENOSPC')
    }
    holder = lockByMkdirSync(LOCK, options(watch, AT_ONCE))!
    nowMs += STALE_MS - 500
    await failed
  })

  test("does not release the next holder's lock, which has the same time due to the resolution of timestamps", async () => {
    nowMs += 1000
    takeElsewhere()
    await assert.rejects(holder.release(), isLost)
    assert.deepEqual([...files], [[LOCK, nowMs]])
  })

  test("does not renew the next holder's lock when renewals work again", async () => {
    nowMs += 1000
    takeElsewhere()
    fails = false
    await lost(holder)
    assert.deepEqual([...files], [[LOCK, nowMs]])
  })

  test('releases a lock whose time one of the failed renewals may have set', async () => {
    files.set(LOCK, nowMs)
    await holder.release()
    assert.equal(files.size, 0)
  })
})

describe('a holder that is stopped until another process has its lock', () => {
  let isStopped: boolean

  beforeEach(() => {
    isStopped = false
  })

  /** A renewal gives another time than the first one. */
  function letStop(): void {
    isStopped = true
    nowMs += 100
  }

  test('loses the lock if it was stopped while it checked the time', async () => {
    const stop = stopAt(['after', 'stat', LOCK], takeElsewhere)
    const watch: Watch = (...call) => isStopped && stop(...call)
    const holder = lockByMkdirSync(LOCK, options(watch, AT_ONCE))!
    letStop()
    await lost(holder)
    assert.deepEqual([...files], [[LOCK, nowMs]])
  })

  test('loses the lock if it was stopped before it set a new time', async () => {
    const stop = stopAt(['before', 'utimes', LOCK], takeElsewhere)
    const holder = lockByMkdirSync(
      LOCK,
      options((...call) => isStopped && stop(...call), AT_ONCE),
    )!
    letStop()
    await lost(holder)
    await assert.rejects(holder.release(), isLost)
    assert.equal(files.has(LOCK), true)
  })

  test("does not release the other process's lock, whether it checks or renews", async () => {
    for (const at of [
      ['after', 'stat', LOCK],
      ['before', 'utimes', LOCK],
    ] as const) {
      files.clear()
      isStopped = false
      let released: Promise<void> | undefined
      const stop = stopAt([...at], takeElsewhere)
      const watch: Watch = (...call) => {
        if (at[1] === 'utimes' && call.join() === at.join() && isStopped) released ??= holder.release()
        if (isStopped) stop(...call)
      }
      const holder: MkdirLock = lockByMkdirSync(LOCK, options(watch, at[1] === 'utimes' ? AT_ONCE : NOT_RENEWED))!
      letStop()
      if (at[1] === 'stat') released = holder.release()
      while (released === undefined) await new Promise(setImmediate)
      await assert.rejects(released, isLost)
      assert.equal(files.has(LOCK), true)
    }
  })

  test('keeps and renews the lock if nobody has taken it over', async () => {
    let renewed: () => void
    const isRenewed = new Promise<void>((resolve) => (renewed = resolve))
    const stop = stopAt(['after', 'stat', LOCK], () => {})
    const watch: Watch = (...call) => {
      if (!isStopped) return
      stop(...call)
      if (call[0] === 'after' && call[1] === 'utimes') renewed()
    }
    const holder = lockByMkdirSync(LOCK, options(watch, AT_ONCE))!
    letStop()
    await isRenewed
    assert.deepEqual([...files], [[LOCK, nowMs]])
    await holder.release()
    assert.deepEqual([files.size, holder.lossSignal.aborted], [0, false])
  })
})

describe('a process that is stopped while it acquires', () => {
  for (const at of [
    ['after', 'mkdir', LOCK],
    ['before', 'utimes', LOCK],
    ['after', 'stat', LOCK],
  ] as const) {
    const where = `${at[0]} ${at[1]}`

    // What has been asked of the system already gives the other one's lock an old time.
    if (at[1] !== 'utimes') {
      test(`${where}: does not get a lock that another process has taken over, and leaves it there`, () => {
        assert.equal(lockByMkdirSync(LOCK, options(stopAt([...at], takeElsewhere))), null)
        assert.deepEqual([...files], [[LOCK, nowMs]])
      })
    }

    test(`${where}: gets the lock if no other process has`, () => {
      assert.ok(lockByMkdirSync(LOCK, options(stopAt([...at], () => {}))))
      assert.deepEqual([...files], [[LOCK, nowMs]])
    })
  }

  test("does not renew or remove the other process's lock", () => {
    lockByMkdirSync(LOCK, options(stopAt(['after', 'mkdir', LOCK], takeElsewhere)))
    assert.deepEqual([...files], [[LOCK, nowMs]])
    files.clear()
    const stop = stopAt(['before', 'utimes', LOCK], () => {
      takeElsewhere()
      throw failure('EIO')
    })
    assert.throws(() => lockByMkdirSync(LOCK, options(stop)), { code: 'EIO' })
    assert.deepEqual([...files], [[LOCK, nowMs]])
  })
})

describe('a process that is stopped while it takes over a stale lock', () => {
  beforeEach(() => {
    files.set(LOCK, START_MS - 10 * STALE_MS)
  })

  /** The first look finds the lock stale; the second one is under the guard. */
  function stopUnderGuard(meanwhile: () => void): Watch {
    const stop = stopAt(['after', 'stat', LOCK], meanwhile)
    return (...call) => files.has(GUARD) && stop(...call)
  }

  test('leaves the lock of another process that took it over meanwhile', () => {
    assert.equal(lockByMkdirSync(LOCK, options(stopUnderGuard(takeElsewhere))), null)
    assert.deepEqual([...files], [[LOCK, nowMs]])
  })

  test('leaves the guard of another process that is about to take it over', () => {
    const meanwhile = (): void => {
      files.set(GUARD, nowMs)
    }
    assert.equal(lockByMkdirSync(LOCK, options(stopUnderGuard(meanwhile))), null)
    assert.deepEqual([...files.keys()], [LOCK, GUARD])
  })
})
