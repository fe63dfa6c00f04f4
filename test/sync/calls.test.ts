/** `slocket.sync` in this process: arguments, what it refuses, what needs no other thread, and how that one is started. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import slocket, { isSlocketError, local, memory } from '../../src/index.ts'
import type { SlocketErrorCode, SyncOptions } from '../../src/index.ts'
import { makeParent } from '../api/run-child.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { scenario } from '../helpers/scenario.ts'
import { exceptOnWindows, NO_LINKS } from '../helpers/windows.ts'

const SRC = fileURLToPath(new URL('../../src', import.meta.url))

let lockPath: string
let dispose: () => void
beforeEach(() => ({ lockPath, dispose } = makeParent()))
afterEach(() => dispose())

function fails(code: SlocketErrorCode, options?: SyncOptions, name: string = lockPath): void {
  assert.throws(
    () => slocket.sync(name, options),
    (error) => isSlocketError(error, code),
  )
}

describe('slocket.sync', () => {
  test('returns a lock with all its properties, which is free when release returns', async () => {
    const lock = slocket.sync(lockPath, { label: 'mine', linger: 0 })
    assert.deepEqual(
      [lock.name, lock.mode, lock.permits, lock.take, lock.recovered, lock.held, typeof lock.token],
      [lockPath, 'exclusive', undefined, undefined, false, true, 'bigint'],
    )
    const { held } = await slocket.query(lockPath)
    assert.deepEqual([held[0]!.label, held[0]!.pid, held[0]!.self], ['mine', process.pid, true])
    const inThread =
      'const { workerData, parentPort } = require("node:worker_threads");' +
      'import(workerData[0]).then(async ({ slocket }) => parentPort.postMessage((await slocket.query(workerData[1])).held))'
    const worker = new Worker(inThread, {
      eval: true,
      workerData: [pathToFileURL(path.join(SRC, 'index.js')).href, lockPath],
    })
    const [seen] = (await once(worker, 'message')) as [typeof held]
    assert.deepEqual([seen[0]!.pid, seen[0]!.self], [process.pid, false])
    assert.equal(held[0]!.command, process.argv.join(' ').slice(0, 1000))
    lock.release()
    lock.release()
    assert.equal(lock.held, false)
    assert.equal(lock.signal.aborted, false)
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('using releases at the end of the block', async () => {
    {
      using lock = slocket.sync(lockPath)
      assert.equal(lock.held, true)
      assert.equal(await slocket.try(lockPath), null)
    }
    await (await slocket.try(lockPath))!.release()
  })

  test('tokens grow from holder to holder, blocking or not', async () => {
    const tokens: bigint[] = []
    for (let round = 0; round < 3; round += 1) {
      const blocked = slocket.sync(lockPath)
      blocked.release()
      const other = await slocket(lockPath)
      await other.release()
      tokens.push(blocked.token, other.token)
    }
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => (a < b ? -1 : 1)),
    )
  })

  test('a relative path is resolved at the time of the call', () => {
    const before = process.cwd()
    try {
      process.chdir(path.dirname(lockPath))
      const lock = slocket.sync('lock')
      assert.equal(fs.existsSync(lockPath), true)
      lock.release()
    } finally {
      process.chdir(before)
    }
  })

  test('wrong arguments are TypeErrors and RangeErrors, and so are those without a meaning for a blocking call', () => {
    const wrong: readonly (readonly [unknown, unknown])[] = [
      [1, {}],
      ['', {}],
      [lockPath, null],
      [lockPath, { mode: 'none' }],
      [lockPath, { signal: new AbortController().signal }],
      [lockPath, { engine: memory() }],
      [lockPath, { label: 1 }],
    ]
    for (const [name, options] of wrong) {
      assert.throws(() => slocket.sync(name as string, options as SyncOptions), TypeError)
    }
    assert.throws(() => slocket.sync(lockPath, { timeout: -1 }), RangeError)
    assert.equal(fs.existsSync(lockPath), false)
  })

  test('errors are those of slocket, with their causes', () => {
    assert.throws(
      () => slocket.sync(path.join(lockPath, 'none', 'lock')),
      (error) =>
        isSlocketError(error, 'ERR_SLOCKET_NO_PARENT') && (error.cause as NodeJS.ErrnoException).code === 'ENOENT',
    )
    fs.mkdirSync(lockPath)
    fs.writeFileSync(path.join(lockPath, 'file'), '')
    fails('ERR_SLOCKET_NOT_A_LOCK')
  })
})

describe('a thread that has the lock itself', () => {
  test('by sync, gets an error, whatever name it uses, and keeps the lock', () => {
    const link = NO_LINKS ? path.dirname(lockPath) : `${lockPath}-link`
    if (!NO_LINKS) fs.symlinkSync(path.dirname(lockPath), link)
    const lock = slocket.sync(lockPath)
    fails('ERR_SLOCKET_DEADLOCK')
    fails('ERR_SLOCKET_DEADLOCK', { timeout: 60_000 })
    fails('ERR_SLOCKET_DEADLOCK', { mode: 'shared' }, path.join(link, 'lock'))
    fails('ERR_SLOCKET_TIMEOUT', { timeout: 0 })
    assert.equal(lock.held, true)
    lock.release()
    slocket.sync(lockPath).release()
  })

  test('by its event loop, holding or waiting, gets an error', async () => {
    const lock = await slocket(lockPath)
    fails('ERR_SLOCKET_DEADLOCK')
    const other = slocket(lockPath, { engine: local() })
    await untilWaiting(lockPath, 1)
    fails('ERR_SLOCKET_DEADLOCK', { mode: 'shared' })
    await lock.release()
    await (await other).release()
    slocket.sync(lockPath).release()
  })

  test('shared, may have it once more unless another request waits in between', async () => {
    const lock = await slocket(lockPath, { mode: 'shared' })
    slocket.sync(lockPath, { mode: 'shared' }).release()
    const between = slocket(lockPath, { engine: local() })
    await untilWaiting(lockPath, 1)
    fails('ERR_SLOCKET_DEADLOCK', { mode: 'shared' })
    await lock.release()
    await (await between).release()
  })

  test('by all permits, gets an error; by fewer, gets another permit', async () => {
    const lock = await slocket(lockPath, { permits: 2 })
    const second = slocket.sync(lockPath, { permits: 2 })
    fails('ERR_SLOCKET_DEADLOCK', { permits: 2 })
    fails('ERR_SLOCKET_DEADLOCK', { permits: 3, take: 2 })
    fails('ERR_SLOCKET_CLAIM_MISMATCH', { mode: 'shared' })
    const third = slocket.sync(lockPath, { permits: 4, take: 2 })
    assert.deepEqual([third.permits, third.take], [4, 2])
    third.release()
    // One that says a larger number waits behind it, and it waits for what this thread has.
    const waiting = slocket(lockPath, { permits: 2 })
    await untilWaiting(lockPath, 1)
    fails('ERR_SLOCKET_DEADLOCK', { permits: 9, timeout: 5000 })
    second.release()
    await lock.release()
    await (await waiting).release()
  })

  test(
    'by a request of the same tick that has not joined yet is not a deadlock: sync comes first',
    { skip: exceptOnWindows('there it has joined the queue in the call itself') },
    async () => {
      const asked = slocket(lockPath)
      slocket.sync(lockPath).release()
      await (await asked).release()
    },
  )
})

scenario(
  'shared by its event loop, with an exclusive request of another process behind, does not wait forever',
  async (scene) => {
    const [client, other] = await scene.spawnAll('client', 'other')
    await client.acquire(scene.path, { mode: 'shared' })
    await other.enqueue(scene.path)
    client.send({ do: 'sync', path: scene.path, options: { mode: 'shared' }, as: 'again' })
    assert.equal((await client.next('rejected', 'again')).code, 'ERR_SLOCKET_DEADLOCK')
    await client.release()
    await other.next('granted')
  },
)

scenario('shared, with a timeout, gets it once the exclusive request in between has given up', async (scene) => {
  const [client, other] = await scene.spawnAll('client', 'other')
  await client.acquire(scene.path, { mode: 'shared' })
  other.send({ do: 'acquire', path: scene.path, options: { timeout: 1000 } })
  await untilWaiting(scene.path, 1)
  client.send({ do: 'sync', path: scene.path, options: { mode: 'shared', timeout: 60_000 }, as: 'again' })
  assert.equal((await other.next('rejected')).code, 'ERR_SLOCKET_TIMEOUT')
  await client.next('granted', 'again')
  await other.enqueue(scene.path)
  client.send({ do: 'sync', path: scene.path, options: { mode: 'shared', timeout: 50 }, as: 'third' })
  assert.equal((await client.next('rejected', 'third')).code, 'ERR_SLOCKET_TIMEOUT')
})
