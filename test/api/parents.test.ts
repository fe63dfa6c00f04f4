// The option parents, and paths that are URLs.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Lock } from '../../src/index.ts'
import { local, memory, slocket } from '../../src/index.ts'
import { runChild } from './run-child.ts'

const notLinux = process.platform === 'linux' ? false : 'needs the /proc of Linux'

let home: string

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-parents-'))
})
afterEach(() => fs.rmSync(home, { recursive: true, force: true }))

describe('parents', () => {
  test('creates the directories above a lock, for each call that acquires', async () => {
    const options = { parents: true, linger: 0 }
    const calls: readonly ((place: string) => Promise<unknown>)[] = [
      async (place) => await (await slocket(place, options)).release(),
      async (place) => await (await slocket(place, { ...options, timeout: 0 })).release(),
      async (place) => await (await slocket(place, { ...options, engine: local() })).release(),
      async (place) => await (await slocket.try(place, options))!.release(),
      async (place) => await slocket.with(place, options, () => {}),
      async (place) => await slocket.with(place, { ...options, reentrant: true }, () => {}),
      async (place) => await slocket.with(path.relative('', place), { ...options, reentrant: true }, () => {}),
      async (place) => await slocket.lead(place, options, () => {}),
      async (place) => await (await slocket.all([place], options)).release(),
      async (place) => slocket.sync(place, options).release(),
      async (place) => {
        const lock = await new Promise<Lock>((resolve, reject) => {
          slocket(place, options, (error, granted) => {
            if (error === null) resolve(granted!)
            else reject(error)
          })
        })
        await lock.release()
      },
    ]
    for (const [index, call] of calls.entries()) {
      const place = path.join(home, String(index), 'deep', 'lock')
      await call(place)
      assert.deepEqual(fs.readdirSync(path.dirname(place)), [], `call ${index}`)
      // Again, now that they are there.
      await call(place)
    }
  })

  test('without it, a missing directory is an error, and is not created', async () => {
    const place = path.join(home, 'missing', 'lock')
    for (const options of [{}, { parents: false }, { parents: undefined }]) {
      await assert.rejects(slocket(place, options), { code: 'ERR_SLOCKET_NO_PARENT' })
      assert.throws(() => slocket.sync(place, options), { code: 'ERR_SLOCKET_NO_PARENT' })
    }
    assert.deepEqual(fs.readdirSync(home), [])
  })

  test('anything else in place of a directory is an error, and is not touched', async () => {
    const file = path.join(home, 'file')
    fs.writeFileSync(file, 'precious')
    for (const place of [path.join(file, 'lock'), path.join(file, 'deep', 'er', 'lock')]) {
      await assert.rejects(slocket(place, { parents: true }), { code: 'ERR_SLOCKET_NO_PARENT' })
      await assert.rejects(slocket.try(place, { parents: true }), { code: 'ERR_SLOCKET_NO_PARENT' })
      assert.throws(() => slocket.sync(place, { parents: true }), { code: 'ERR_SLOCKET_NO_PARENT' })
    }
    assert.equal(fs.readFileSync(file, 'utf8'), 'precious')
  })

  test('simultaneous calls that create the same directories all succeed', async () => {
    const place = path.join(home, 'a', 'b', 'c', 'lock')
    const asked = Array.from({ length: 5 }, () => slocket(place, { parents: true, linger: 0, engine: local() }))
    for (const lock of asked) await (await lock).release()
    assert.deepEqual(fs.readdirSync(path.dirname(place)), [])
  })

  test(
    'a directory that cannot be created is an error, and the thread does not block',
    { skip: notLinux },
    async () => {
      // A process of its own, which a timer of this one can kill.
      const { code, stdout, stderr } = await runChild(
        `const codes = []
       const ask = (place) => slocket(place, { parents: true, timeout: 100 }).catch(({ code }) => codes.push(code))
       await ask('/proc/nope/a/lock')
       const fs = process.getBuiltinModule('node:fs')
       fs.mkdirSync(lockPath)
       process.chdir(lockPath)
       fs.rmdirSync(lockPath)
       await ask('/proc/self/cwd/a/lock')
       console.log(JSON.stringify(codes))`,
        path.join(home, 'gone'),
        {},
        20_000,
      )
      assert.equal(code, 0, stderr)
      assert.deepEqual(JSON.parse(stdout), ['ERR_SLOCKET_NO_PARENT', 'ERR_SLOCKET_NO_PARENT'])
    },
  )

  test('a call with an aborted signal creates nothing', async () => {
    const place = path.join(home, 'a', 'b', 'lock')
    const reason = new Error('mine')
    const options = { parents: true, linger: 0, signal: AbortSignal.abort(reason) }
    const calls: readonly (() => Promise<unknown>)[] = [
      () => slocket(place, options),
      () => slocket(place, { ...options, timeout: 100 }),
      () => slocket.try(place, options),
      () => slocket.with(place, options, () => {}),
      () => slocket.lead(place, options, () => {}),
      () => slocket.all([place], options),
    ]
    for (const call of calls) await assert.rejects(call, reason)
    assert.deepEqual(fs.readdirSync(home), [])
  })

  test('a failing call lets timers run', async () => {
    const file = path.join(home, 'file')
    fs.writeFileSync(file, '')
    const place = path.join(file, 'deep', 'lock')
    const options = { parents: true }
    const calls: readonly (() => Promise<unknown>)[] = [
      () => slocket(place, options),
      () => slocket.try(place, options),
      () => slocket.with(place, options, () => {}),
      () => slocket.lead(place, options, () => {}),
      () => slocket.all([place], options),
    ]
    for (const [index, call] of calls.entries()) {
      let hasTurned = false
      setImmediate(() => (hasTurned = true))
      await assert.rejects(call, { code: 'ERR_SLOCKET_NO_PARENT' })
      assert.ok(hasTurned, `call ${index}`)
    }
  })

  test('an engine whose locks have no directory ignores it', async () => {
    await (await slocket(path.join(home, 'x', 'lock'), { parents: true, engine: memory() })).release()
    assert.deepEqual(fs.readdirSync(home), [])
  })
})

describe('a file: URL', () => {
  test('names the same lock as its path, for each call', async () => {
    const place = path.join(home, 'a lock #1 %20')
    const url = pathToFileURL(place)
    const lock: Lock = await slocket(url, { linger: 0 })
    assert.equal(lock.name, place)
    assert.equal(await slocket.try(url), null)
    assert.equal(await slocket.try(place), null)
    assert.equal((await slocket.query(url)).held.length, 1)
    await lock.release()
    assert.equal(await slocket.with(url, { linger: 0 }, ({ name }) => name), place)
    const blocking = slocket.sync(url, { linger: 0 })
    assert.equal(blocking.name, place)
    blocking.release()
    assert.deepEqual(fs.readdirSync(home), [])
  })
})
