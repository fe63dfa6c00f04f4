/**
 * Released locks that are kept open for a while: so many at most, and none if there are no descriptors. So any number of locks
 * can be taken one after the other.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import { local, LockManager, slocket } from '../../src/index.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { Program } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const FEW = 64
const MOST_IDLE = 32
const LONG = '{ linger: 600_000 }'

let parent: string
let lockPath: string
let programs: Program[]
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-idle-'))
  lockPath = path.join(parent, 'lock')
  programs = []
})
afterEach(() => {
  for (const program of programs) program.signal('SIGKILL')
  fs.rmSync(parent, { recursive: true, force: true })
})

function start(body: string, descriptors?: number): Program {
  const program = new Program(lockPath, body, descriptors === undefined ? {} : { descriptors })
  programs.push(program)
  return program
}

const idle = (count: number, prefix = 'lockPath'): string =>
  `for (let n = 0; n < ${count}; n += 1) await (await slocket(${prefix} + '-' + n, ${LONG})).release()`

describe('with few descriptors, any number of locks can be taken one after the other', () => {
  const KINDS: Readonly<Record<string, string>> = {
    locks: `await (await slocket(path, ${LONG})).release()`,
    'locks that wait for the next turn of the event loop': `await (await slocket(path, ${LONG})).release()
      await new Promise(setImmediate)`,
    permits: `await (await slocket(path, { permits: 2, linger: 600_000 })).release()`,
    'locks of slocket.sync': `slocket.sync(path, ${LONG}).release()`,
    'locks of slocket/proper-lockfile': `await (await lockfile.lock(path, { realpath: false }))()`,
    'roots of named locks': `await new LockManager({ root: path }).request('x', () => {})`,
    names: `await new LockManager({ root: lockPath + '-root' }).request('x' + n, () => {})`,
    queries: `await (await slocket(path, ${LONG})).release(); await slocket.query(path)`,
    'kinds by turns': `await (await slocket(path, ${LONG})).release()
      slocket.sync(path + '-sync', ${LONG}).release()
      await new LockManager({ root: path + '-root' }).request('x', () => {})`,
    'kinds by turns, most of them by slocket.sync': `await (await slocket(path, ${LONG})).release()
      for (let more = 0; more < 4; more += 1) slocket.sync(path + '-sync-' + more, ${LONG}).release()`,
  }
  for (const [what, take] of Object.entries(KINDS)) {
    test(`${what}; and locks held meanwhile stay held`, async () => {
      const program = start(
        `const held = []
        for (let n = 0; n < 4; n += 1) held.push(await slocket(lockPath + '-held-' + n))
        for (let n = 0; n < 100; n += 1) { const path = lockPath + '-' + n; ${take} }
        for (const lock of held) { lock.assertHeld(); await lock.release() }
        say('done'); process.exit(0)`,
        FEW,
      )
      const { said, stderr } = await program.ended()
      assert.deepEqual(said, ['done'], stderr)
      assert.deepEqual(fs.readdirSync(parent), [])
    })
  }

  test('this includes a lock whose dead users have left many sockets', async () => {
    await makeDeadMembers(200)
    const program = start(
      `const lock = await slocket(lockPath, { linger: 0 }); say('held'); hear(); lock.release()`,
      FEW,
    )
    assert.equal(await program.next(), 'held')
    program.goOn()
    assert.equal((await program.ended()).code, 0)
  })

  async function makeDeadMembers(count: number): Promise<void> {
    const members = path.join(lockPath, '.members')
    fs.mkdirSync(members, { recursive: true })
    const server = net.createServer()
    const living = path.join(members, 'living')
    await new Promise<void>((resolve) => void server.listen(living, resolve))
    // Names of one socket: it dies with the process that made it, or here.
    for (let n = 0; n < count; n += 1) {
      fs.linkSync(living, path.join(members, `${String(n).padStart(12, 'd')}.${4_000_000 + n}`))
    }
    await new Promise((resolve) => server.close(resolve))
  }
})

describe('idle locks', () => {
  test(`at most ${MOST_IDLE} are kept: the last ones that were used`, async () => {
    const program = start(`
      ${idle(MOST_IDLE)}
      const before = fs.readdirSync('/proc/self/fd').length
      await (await slocket(lockPath + '-0', ${LONG})).release()
      ${idle(20, `lockPath + '-more'`)}
      say(fs.readdirSync('/proc/self/fd').length - before); hear()`)
    assert.equal(await program.next(), 0)
    const kept = fs.readdirSync(parent)
    assert.equal(kept.length, MOST_IDLE)
    assert.deepEqual([kept.includes('lock-0'), kept.includes('lock-1'), kept.includes('lock-31')], [true, false, true])
  })

  test('are not closed because of locks in use', async () => {
    const program = start(`
      const held = []
      ${idle(60)}
      for (let n = 0; n < 60; n += 1) held.push(await slocket(lockPath + '-' + n, ${LONG}))
      ${idle(MOST_IDLE, `lockPath + '-more'`)}
      for (const lock of held) lock.assertHeld()
      say('holds'); hear()
      for (const lock of held) lock.release()
      say('released'); hear()`)
    assert.equal(await program.next(), 'holds')
    assert.equal(fs.readdirSync(parent).length, 60 + MOST_IDLE)
    for (let n = 0; n < 60; n += 1) assert.equal(await slocket.try(`${lockPath}-${n}`, { engine: local() }), null)
    program.goOn()
    assert.equal(await program.next(), 'released')
    assert.equal(fs.readdirSync(parent).length, MOST_IDLE)
  })
})

describe('a process without descriptors', () => {
  test('closes idle locks, and waits its turn', async () => {
    const holder: Lock = await slocket(lockPath, { engine: local(), linger: 0 })
    const program = start(
      `${idle(8)}
      exhaust()
      const waiting = slocket(lockPath, { linger: 0 }); waiting.catch((error) => say(error.message))
      await waiting.then((lock) => { say('granted'); return lock.release() })`,
      FEW,
    )
    await untilWaiting(lockPath, 1, program.pid)
    await holder.release()
    assert.equal(await program.next(), 'granted')
    assert.equal((await program.ended()).code, 0)
    assert.deepEqual(fs.readdirSync(parent), [])
  })

  test('closes idle locks of the thread of slocket.sync, and vice versa', async () => {
    const program = start(
      `slocket.sync(lockPath + '-sync').release()
      for (let n = 0; n < 8; n += 1) slocket.sync(lockPath + '-' + n, ${LONG}).release()
      exhaust()
      const lock = await slocket(lockPath, { linger: 0 })
      replenish()
      ${idle(8, `lockPath + '-more'`)}
      exhaust()
      slocket.sync(lockPath + '-again', { linger: 0 }).release()
      await lock.release()
      say('done'); replenish(); process.exit(0)`,
      FEW,
    )
    const { said, stderr } = await program.ended()
    assert.deepEqual(said, ['done'], stderr)
    assert.deepEqual(fs.readdirSync(parent), [])
  })

  test('fails if it has no idle lock, also by slocket.sync, and leaves nothing behind', async () => {
    const program = start(
      `const code = (how) => how().then((lock) => 'granted', (error) => error.code)
      // The first use of a module opens files.
      await (await slocket(lockPath + '-first', { linger: 0 })).release()
      await new LockManager({ root: lockPath + '-root' }).query()
      exhaust()
      const codes = [
        await code(() => slocket(lockPath, { linger: 0 })), await code(() => slocket.try(lockPath)),
        await code(async () => slocket.sync(lockPath)), await code(() => new LockManager({ root: lockPath }).request('x', () => {})),
      ]
      replenish()
      say(codes); say(fs.existsSync(lockPath)); say(slocket.sync(lockPath, { linger: 0 }).release() ?? 'works again')`,
      FEW,
    )
    const { said, stderr } = await program.ended()
    const resources = 'ERR_SLOCKET_RESOURCES'
    assert.deepEqual(said, [[resources, resources, resources, resources], false, 'works again'], stderr)
  })

  test('survives the death of a process that waited for its named lock', async () => {
    const holder = start(
      `process.on('SIGUSR2', () => { exhaust(); say('has none') })
      await new Promise((resolve) =>
        void new LockManager({ root: lockPath }).request('x', () => { resolve(); return new Promise(() => {}) }))
      say('holds')
      process.on('SIGTERM', () => { replenish(); say('lives') })
      setInterval(() => {}, 1000)`,
      FEW,
    )
    assert.equal(await holder.next(), 'holds')
    const waiter = start(`new LockManager({ root: lockPath }).request('x', () => {})`)
    await untilWaiting(path.join(lockPath, 'x'), 1, waiter.pid)
    await until('it is known', async () => (await new LockManager({ root: lockPath }).query()).pending.length === 1)
    holder.signal('SIGUSR2')
    assert.equal(await holder.next(), 'has none')
    waiter.signal('SIGKILL')
    await waiter.ended()
    holder.signal('SIGTERM')
    assert.equal(await holder.next(), 'lives')
    assert.equal(
      ticketsIn(path.join(lockPath, 'x')).some(({ pid }) => pid === holder.pid),
      true,
    )
  })
})
