/**
 * A lock is held until the process has ended, and so while listeners for its exit run: they may still use what the lock protects. What the end leaves
 * behind differs from Linux: test/crash/exit-listeners.long.test.ts.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import { local, slocket } from '../../src/index.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { Program } from '../helpers/program.ts'
import { DEADLINE_MS } from '../helpers/until.ts'
import { ELSEWHERE } from './on-windows.ts'

/** Code that takes a lock, says whether it is held, and asks whether another process can have it. */
interface Kind {
  readonly hold: string
  readonly held: string
  readonly isFree: string
}

const LOCK: Kind = { hold: 'const lock = await slocket(lockPath)', held: 'lock.held', isFree: 'isFree(lockPath)' }
const KINDS: Readonly<Record<string, Kind>> = {
  'a lock': LOCK,
  'a shared lock': { ...LOCK, hold: `const lock = await slocket(lockPath, { mode: 'shared' })` },
  'a downgraded lock': { ...LOCK, hold: 'const lock = await slocket(lockPath); await lock.downgrade()' },
  'a lock of slocket.sync': { ...LOCK, hold: 'const lock = slocket.sync(lockPath)' },
  'a named lock': {
    hold: `let end; await new Promise((resolve) => {
      void new LockManager({ root: lockPath }).request('x', () => { resolve(); return new Promise((done) => (end = done)) })
    })`,
    held: 'true',
    isFree: `isFree(lockPath, 'x')`,
  },
}

const EXIT = 'process.exit'
const ENDS: Readonly<Record<string, string>> = {
  [EXIT]: 'process.exit(0)',
  'having nothing left to do': '',
  'an uncaught exception': `throw new Error('as asked for')`,
  'a rejection that nobody handles': `void Promise.reject(new Error('as asked for'))`,
}

describe('while exit listeners run', { skip: ELSEWHERE }, () => {
  let parent: string
  let lockPath: string
  let programs: Program[]
  beforeEach(() => {
    parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-listeners-'))
    lockPath = path.join(parent, 'lock')
    programs = []
  })
  afterEach(async () => {
    for (const program of programs) program.signal('SIGKILL')
    await Promise.all(programs.map((program) => program.ended()))
    fs.rmSync(parent, { recursive: true, maxRetries: 20 })
  })

  const start = (body: string, before: string = ''): Program => {
    const program = new Program(lockPath, body, { before })
    programs.push(program)
    return program
  }
  /** What another process's request gets: a client of its own. */
  const other = (): Promise<Lock> => slocket(lockPath, { engine: local(), linger: 0, timeout: DEADLINE_MS })

  for (const [what, { hold, held, isFree }] of Object.entries(KINDS)) {
    for (const [how, end] of Object.entries(ENDS)) {
      if (what !== 'a lock' && how !== EXIT) continue
      test(`${what} is held, in whatever order the listeners were added: ${how}`, async () => {
        const listener = (name: string): string => `process.on('exit', () => say(['${name}', ${held}, ${isFree}]))`
        const holder = start(`${hold}; ${listener('after')}; ${end}`, listener('before'))
        const { said } = await holder.ended()
        assert.deepEqual(said, [
          ['before', true, false],
          ['after', true, false],
        ])
        assert.deepEqual((await start(`say(${isFree})`).ended()).said, [true])
      })
    }
  }

  for (const [how, end] of Object.entries(ENDS)) {
    test(`a waiter is not granted the lock, and is after that: ${how}`, async () => {
      const holder = start(`await slocket(lockPath)
        process.on('exit', () => { say('exits'); hear() })
        say('holds'); hear(); ${end}`)
      assert.equal(await holder.next(), 'holds')
      const waiting = other()
      await untilWaiting(lockPath, 1, process.pid)
      holder.goOn()
      assert.equal(await holder.next(), 'exits')
      const { held, pending } = await slocket.query(lockPath)
      assert.deepEqual([held.map(({ pid }) => pid), pending.map(({ pid }) => pid)], [[holder.pid], [process.pid]])
      holder.goOn()
      const lock = await waiting
      assert.equal(lock.recovered, true)
      await lock.release()
      assert.equal(fs.existsSync(lockPath), false)
    })
  }

  test('requests of the process that wait do not keep others waiting', async () => {
    const first = await other()
    const waiter = start(`process.on('exit', () => { say('exits'); hear() })
      void slocket(lockPath)
      say('asks'); hear(); process.exit(0)`)
    assert.equal(await waiter.next(), 'asks')
    await untilWaiting(lockPath, 1, waiter.pid)
    const second = other()
    await untilWaiting(lockPath, 2)
    waiter.goOn()
    assert.equal(await waiter.next(), 'exits')
    await first.release()
    const lock = await second
    assert.equal(lock.recovered, false)
    assert.equal(ticketsIn(lockPath).length, 1)
    waiter.goOn()
    await waiter.ended()
    await lock.release()
  })

  test('a listener that releases the lock frees it at once, and nobody has recovered', async () => {
    const holder = start(`const lock = await slocket(lockPath)
      process.on('exit', () => { lock.release(); say('released'); hear() })
      process.exit(0)`)
    assert.equal(await holder.next(), 'released')
    const lock = await other()
    assert.equal(lock.recovered, false)
    holder.goOn()
    assert.equal((await holder.ended()).code, 0)
    await lock.release()
    assert.equal(fs.existsSync(lockPath), false)
  })
})
