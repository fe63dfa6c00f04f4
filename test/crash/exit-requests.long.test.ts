/** Requests of a process that exits: waiters leave the queue, and new requests are refused or granted, without blocking others. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import { local, slocket } from '../../src/index.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { Program } from '../helpers/program.ts'

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

describe('a waiter in a process that exits', () => {
  test('leaves the queue before the listeners run, and blocks nobody', async () => {
    const first = await other()
    const waiter = start(
      `process.once('SIGUSR2', () => process.exit(0))
      slocket(lockPath).then(() => say('granted'))`,
      `process.on('exit', () => { say('exits'); hear() })`,
    )
    await untilWaiting(lockPath, 1, waiter.pid)
    const behind = other()
    await untilWaiting(lockPath, 1, process.pid)
    waiter.signal('SIGUSR2')
    assert.equal(await waiter.next(), 'exits')
    assert.deepEqual(
      ticketsIn(lockPath).map(({ pid }) => pid),
      [process.pid, process.pid],
    )
    await first.release()
    const lock = await behind
    assert.equal(lock.recovered, false)
    await lock.release()
    waiter.goOn()
    assert.deepEqual((await waiter.ended()).said, [])
    await untilGone(lockPath)
  })

  test('behind a lock of the same process does not block others, either', async () => {
    const holder = start(
      `process.once('SIGUSR2', () => process.exit(0))
      const lock = await slocket(lockPath); releaseNow = () => lock.release()
      say('holds'); hear()
      slocket(lockPath).then(() => say('granted'))`,
      `let releaseNow; process.on('exit', () => { say('exits'); hear(); releaseNow(); hear() })`,
    )
    assert.equal(await holder.next(), 'holds')
    const second = other()
    await untilWaiting(lockPath, 1, process.pid)
    holder.goOn()
    await untilWaiting(lockPath, 1, holder.pid)
    const fourth = other()
    await untilWaiting(lockPath, 2, process.pid)
    holder.signal('SIGUSR2')
    assert.equal(await holder.next(), 'exits')
    assert.equal(ticketsIn(lockPath).filter(({ pid }) => pid === holder.pid).length, 1)
    holder.goOn()
    for (const waiting of [second, fourth]) {
      const lock = await waiting
      assert.equal(lock.recovered, false)
      await lock.release()
    }
    holder.goOn()
    assert.deepEqual((await holder.ended()).said, [])
  })

  test('requests again if the process continues after all', async () => {
    const first = await other()
    const waiter = start(`process.once('exit', () => { throw new Error('as asked for') })
      const waiting = slocket(lockPath)
      await new Promise((resolve) => process.once('SIGUSR2', resolve))
      try { process.exit(0) } catch (error) { say(error.message) }
      await (await waiting).release()
      await (await slocket(lockPath)).release()
      say('held twice')
      process.kill(process.pid, 'SIGKILL')`)
    await untilWaiting(lockPath, 1, waiter.pid)
    waiter.signal('SIGUSR2')
    assert.equal(await waiter.next(), 'as asked for')
    await first.release()
    assert.equal(await waiter.next(), 'held twice')
  })
})

describe('a request while the process exits', () => {
  test('by slocket.sync gets the lock, and can release it', async () => {
    const program = start(`await (await slocket(lockPath + '-2')).release()
      process.on('exit', () => {
        const lock = slocket.sync(lockPath)
        say(isFree(lockPath)); lock.release()
      })`)
    assert.deepEqual((await program.ended()).said, [false])
    assert.deepEqual(fs.readdirSync(parent), [])
  })

  for (const [by, hold] of Object.entries({
    slocket: 'await slocket(lockPath)',
    'slocket.sync': 'slocket.sync(lockPath)',
  })) {
    test(`by slocket.sync for a lock that its thread holds by ${by} fails at once, and is granted after a release`, async () => {
      const program = start(`const lock = ${hold}
        process.on('exit', () => {
          try { slocket.sync(lockPath) } catch ({ code }) { say(code) }
          lock.release()
          const again = slocket.sync(lockPath)
          say(again.held); again.release()
        })`)
      assert.deepEqual((await program.ended()).said, ['ERR_SLOCKET_DEADLOCK', true])
      assert.deepEqual(fs.readdirSync(parent), [])
    })
  }

  for (const [how, end] of Object.entries({ 'process.exit': 'process.exit(0)', 'having nothing left to do': '' })) {
    test(`by its event loop is never granted, and leaves nothing behind: ${how}`, async () => {
      const program = start(
        `const lock = await slocket(lockPath); await (await slocket(lockPath + '-2')).release()
        ask = () => {
          slocket.try(lockPath + '-1').then(() => say('granted'))
          slocket(lockPath + '-2').then(() => say('granted'))
          slocket(lockPath).then(() => say('granted'))
        }
        process.on('exit', () => { ask(); lock.release() })
        ${end}`,
        `let ask; process.on('exit', () => ask())`,
      )
      assert.deepEqual((await program.ended()).said, [])
      assert.deepEqual(fs.readdirSync(parent), [])
    })
  }
})
