/**
 * A lock is held until the process (or worker thread) has ended, and so while listeners for its exit run: they may still use
 * what the lock protects. Each listener asks another process whether it can have the lock.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { check, checkSync, lock as lockFile } from '../../src/compat/proper-lockfile.ts'
import type { Lock } from '../../src/index.ts'
import { LockManager, local, slocket } from '../../src/index.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { Program } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

interface Kind {
  /** Takes the lock. */
  readonly hold: string
  /** Releases it at once; not every kind can do that. */
  readonly release?: string
  /** Whether it says that it is held. */
  readonly held: string
  /** Where the queue is, from the path of the lock. */
  readonly queue: string
  /** Whether another process can have it. */
  readonly isFree?: string
}

const NAMED = `let end; await new Promise((resolve) => {
    void new LockManager({ root: lockPath }).request('x', () => { resolve(); return new Promise((done) => (end = done)) })
  })`

const KINDS: Readonly<Record<string, Kind>> = {
  'a lock': { hold: 'const lock = await slocket(lockPath)', release: 'lock.release()', held: 'lock.held', queue: '' },
  'a shared lock': {
    hold: `const lock = await slocket(lockPath, { mode: 'shared' })`,
    release: 'lock.release()',
    held: 'lock.held',
    queue: '',
  },
  'a lock of slocket.sync': {
    hold: 'const lock = slocket.sync(lockPath)',
    release: 'lock.release()',
    held: 'lock.held',
    queue: '',
  },
  'a named lock': { hold: NAMED, held: 'true', queue: '/x', isFree: `isFree(lockPath, 'x')` },
  'a lock of slocket/proper-lockfile': {
    hold: `const release = await lockfile.lock(lockPath, { realpath: false })`,
    release: 'release()',
    held: 'true',
    queue: '.lock',
  },
  'a lock of its lockSync': {
    hold: `const release = lockfile.lockSync(lockPath, { realpath: false })`,
    release: 'release()',
    held: 'true',
    queue: '.lock',
  },
}

const ENDS: Readonly<Record<string, string>> = {
  'process.exit': 'process.exit(0)',
  'having nothing left to do': '',
  'an uncaught exception': `throw new Error('as asked for')`,
  'a rejection that nobody handles': `void Promise.reject(new Error('as asked for'))`,
}

/** Those that every kind of lock need not be tried with. */
const FAILURES = new Set(['an uncaught exception', 'a rejection that nobody handles'])
const FAIL = new Set(['a lock', 'a lock of slocket.sync'])

let parent: string
let lockPath: string
let programs: Program[]
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-listeners-'))
  lockPath = path.join(parent, 'lock')
  programs = []
})
afterEach(() => {
  for (const program of programs) program.signal('SIGKILL')
  fs.rmSync(parent, { recursive: true, force: true })
})

function start(body: string, before: string = ''): Program {
  const program = new Program(lockPath, body, { before })
  programs.push(program)
  return program
}

/** What another process's request gets: a client of its own. */
function other(queue: string = lockPath): Promise<Lock> {
  return slocket(queue, { engine: local(), linger: 0 })
}

describe('while exit listeners run', () => {
  for (const [what, { hold, held, queue, isFree = `isFree(lockPath + '${queue}')` }] of Object.entries(KINDS)) {
    for (const [how, end] of Object.entries(ENDS)) {
      if (FAILURES.has(how) && !FAIL.has(what)) continue
      test(`${what} is held, in whatever order the listeners were added: ${how}`, async () => {
        const listener = (name: string): string => `say(['${name}', ${held}, ${isFree}])`
        const holder = start(
          `${hold}
          process.on('exit', () => ${listener('after')})
          ${end}`,
          `process.on('exit', () => ${listener('before')})`,
        )
        const { said } = await holder.ended()
        assert.deepEqual(said, [
          ['before', true, false],
          ['after', true, false],
        ])
        assert.equal(ticketsIn(lockPath + queue).length, 1)
        const next = new Program(lockPath, `say(${isFree})`)
        assert.deepEqual((await next.ended()).said, [true])
      })
    }
  }

  test('a prepended listener has the lock, too, and so does a listener that ends the process', async () => {
    const holder = start(`const lock = await slocket(lockPath)
      process.on('exit', () => { say(isFree(lockPath)); process.exit(3) })
      process.on('exit', () => say('not called'))
      process.prependListener('exit', () => say(isFree(lockPath)))
      process.exit(0)`)
    const { said, code } = await holder.ended()
    assert.deepEqual([said, code], [[false, false], 3])
    assert.equal((await other()).recovered, true)
  })

  test('a listener that throws does not free the lock for the next ones', async () => {
    const holder = start(`const lock = await slocket(lockPath)
      process.on('uncaughtException', () => say(isFree(lockPath)))
      process.on('exit', () => { throw new Error('as asked for') })
      setImmediate(() => process.exit(0))`)
    const { said } = await holder.ended()
    assert.deepEqual(new Set(said), new Set([false]))
    assert.equal((await other()).recovered, true)
  })
})

describe('after the exit of a process that held', () => {
  test('only its dead ticket is left, and the next holder has recovered', async () => {
    await start('await slocket(lockPath); process.exit(0)').ended()
    assert.deepEqual(
      fs.readdirSync(lockPath),
      ticketsIn(lockPath).map(({ name }) => name),
    )
    assert.equal(ticketsIn(lockPath).length, 1)
    const next = await other()
    assert.equal(next.recovered, true)
    await next.release()
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('other locks that it had released are gone', async () => {
    await start(`await slocket(lockPath); await (await slocket(lockPath + '-2')).release()
      slocket.sync(lockPath + '-3').release()
      slocket.sync(lockPath + '-4')
      process.exit(0)`).ended()
    assert.deepEqual(fs.readdirSync(parent), ['lock', 'lock-4'])
  })

  test('named locks are free; the next user of the root removes what is left', async () => {
    await start(`const locks = new LockManager({ root: lockPath })
      for (const name of ['a', 'b', 'c'.repeat(300)]) await new Promise((resolve) =>
        void locks.request(name, () => { resolve(); return new Promise(() => {}) }))
      await locks.request('released', () => {})
      process.exit(0)`).ended()
    assert.equal(fs.existsSync(path.join(lockPath, 'released')), false)
    const locks = new LockManager({ root: lockPath })
    assert.equal(await locks.request('a', { ifAvailable: true }, (lock) => lock?.name), 'a')
    await until('the rest is gone', () => fs.readdirSync(lockPath).every((name) => name === 'a' || name === '.members'))
    await until('the member is gone', () => fs.readdirSync(path.join(lockPath, '.members')).length === 1)
  })

  for (const form of ['lock', 'lockSync']) {
    test(`a lock of slocket/proper-lockfile (${form}) is free, and the next process leaves nothing behind`, async () => {
      const file = path.join(parent, 'file')
      await start(
        `await lockfile.${form}(lockPath.replace('lock', 'file'), { realpath: false }); process.exit(0)`,
      ).ended()
      const options = { realpath: false }
      assert.deepEqual([await check(file, options), checkSync(file, options)], [false, false])
      await (
        await lockFile(file, options)
      )()
      assert.deepEqual(fs.readdirSync(parent), [])
    })
  }
})

describe('an exit listener that releases', () => {
  for (const [what, { hold, release, queue }] of Object.entries(KINDS)) {
    if (release === undefined) continue
    for (const when of ['before', 'after']) {
      test(`${what}, added ${when} slocket came: the lock is free at once, and nobody has recovered`, async () => {
        const listener = `process.on('exit', () => { releaseNow(); say('released'); hear() })`
        const holder = start(
          `${hold}; releaseNow = () => ${release}
          ${when === 'after' ? listener : ''}
          say('holds'); hear(); process.exit(0)`,
          `let releaseNow; ${when === 'before' ? listener : ''}`,
        )
        assert.equal(await holder.next(), 'holds')
        const waiting = other(lockPath + queue)
        await untilWaiting(lockPath + queue, 1, process.pid)
        holder.goOn()
        assert.equal(await holder.next(), 'released')
        const lock = await waiting
        assert.equal(lock.recovered, false)
        await lock.release()
        assert.equal(fs.existsSync(lockPath + queue), false)
        holder.goOn()
        assert.equal((await holder.ended()).code, 0)
        assert.deepEqual(fs.readdirSync(parent), [])
      })
    }
  }

  test('serves another process, not a waiter in its own', async () => {
    const holder = start(
      `const lock = await slocket(lockPath)
      slocket(lockPath).then(() => say('granted'))
      releaseNow = () => lock.release()
      say((await slocket.query(lockPath)).pending.length); hear(); process.exit(0)`,
      `let releaseNow; process.on('exit', () => { releaseNow(); hear() })`,
    )
    assert.equal(await holder.next(), 1)
    const waiting = other()
    await untilWaiting(lockPath, 1, process.pid)
    holder.goOn()
    const lock = await waiting
    assert.equal(lock.recovered, false)
    await lock.release()
    holder.goOn()
    assert.deepEqual((await holder.ended()).said, [])
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('may release after an await if the process ends by itself', async () => {
    await start(`const lock = await slocket(lockPath)
      process.on('exit', async () => { await null; await lock.release() })`).ended()
    assert.equal(fs.existsSync(lockPath), false)
  })
})

describe('a worker thread that ends while its process continues', () => {
  const INDEX = new URL('../../src/index.js', import.meta.url).href
  const THREAD = `
    const { workerData: { lockPath, hold, end, words }, parentPort } = require('node:worker_threads')
    import(${JSON.stringify(INDEX)}).then(async ({ slocket }) => {
      if (hold === 'slocket.sync') slocket.sync(lockPath); else await slocket(lockPath)
      process.on('exit', () => { parentPort.postMessage('exits'); Atomics.wait(words, 0, 0) })
      if (end === 'process.exit') process.exit(0)
      if (end === 'an uncaught exception') throw new Error('as asked for')
      if (end === 'terminate') parentPort.on('message', () => {}).postMessage('holds')
    })`
  for (const hold of ['slocket', 'slocket.sync']) {
    for (const end of ['process.exit', 'having nothing left to do', 'an uncaught exception', 'terminate']) {
      test(`holds until it is gone, and no longer: ${hold}, ${end}`, async () => {
        const program = start(`
          const words = new Int32Array(new SharedArrayBuffer(4))
          const workerData = { lockPath, words, hold: '${hold}', end: '${end}' }
          const worker = new Worker(${JSON.stringify(THREAD)}, { eval: true, execArgv: [], workerData })
          worker.on('error', () => {})
          const gone = new Promise((resolve) => worker.once('exit', resolve))
          await new Promise((resolve) => worker.once('message', resolve))
          say(isFree(lockPath))
          Atomics.store(words, 0, 1)
          Atomics.notify(words, 0)
          ${end === 'terminate' ? 'worker.terminate()' : ''}
          await gone
          say(isFree(lockPath)); hear()`)
        assert.equal(await program.next(), false)
        assert.equal(await program.next(), true)
      })
    }
  }
})
