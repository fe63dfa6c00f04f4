/** The other ways to ask for a local lock, on Windows: by a call that blocks, by name, by the calls of proper-lockfile. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import lockfile from '../../src/compat/proper-lockfile.ts'
import { isSlocketError, LockManager, slocket } from '../../src/index.ts'
import { scenario } from '../helpers/scenario.ts'
import { ELSEWHERE } from './on-windows.ts'

const LEAVE = { linger: 0 }
const skip = { skip: ELSEWHERE }

describe('on Windows', skip, () => {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-windows-api-'))
  after(() => fs.rmSync(parent, { recursive: true, maxRetries: 20 }))
  let count = 0
  const newPath = (): string => path.join(parent, `lock-${(count += 1)}`)

  test('slocket.sync gets a free lock at once, and does not wait for its own thread', async () => {
    const lock = newPath()
    const held = slocket.sync(lock, LEAVE)
    assert.equal(held.held, true)
    assert.equal(await slocket.try(lock), null)
    assert.throws(
      () => slocket.sync(lock),
      (error) => isSlocketError(error, 'ERR_SLOCKET_DEADLOCK'),
    )
    held.release()
    assert.equal(held.held, false)
    assert.equal(fs.existsSync(lock), false)
  })

  test("a worker thread's lock is free once the thread is terminated, and the next holder has recovered", async () => {
    const lock = newPath()
    const url = new URL('../../src/index.js', import.meta.url).href
    const program = `import(${JSON.stringify(url)}).then(async ({ slocket }) => {
      await slocket(${JSON.stringify(lock)})
      require('node:worker_threads').parentPort.postMessage('held')
      setInterval(() => {}, 1000)
    })`
    const worker = new Worker(program, { eval: true })
    await new Promise((held) => worker.once('message', held))
    assert.equal(await slocket.try(lock), null)
    const waiting = slocket(lock, LEAVE)
    await worker.terminate()
    const held = await waiting
    assert.equal(held.recovered, true)
    await held.release()
  })

  test('names are case-sensitive, although paths are not, and are listed unchanged', async () => {
    const root = path.join(parent, 'names')
    const [one, other] = [new LockManager({ root }), new LockManager({ root: root.toUpperCase() })]
    await one.request('Ledger', async () => {
      assert.equal(await other.request('Ledger', { ifAvailable: true }, (lock) => lock), null)
      await other.request('ledger', async () => {
        const { held } = await one.query()
        assert.deepEqual(held?.map(({ name }) => name).sort(), ['Ledger', 'ledger'])
      })
    })
  })

  test('the calls of proper-lockfile exclude each other, and leave nothing behind', async () => {
    const file = path.join(parent, 'data.json')
    fs.writeFileSync(file, '{}')
    const release = await lockfile.lock(file)
    assert.equal(await lockfile.check(file), true)
    await assert.rejects(lockfile.lock(file), { code: 'ELOCKED' })
    await release()
    assert.equal(await lockfile.check(file), false)
    const releaseSync = lockfile.lockSync(file)
    await assert.rejects(lockfile.lock(file), { code: 'ELOCKED' })
    releaseSync()
    assert.equal(fs.existsSync(`${file}.lock`), false)
  })

  test('the calls of proper-lockfile find their lock by another spelling of the path, blocking or not', async () => {
    const file = path.join(parent, 'Spelt.json')
    fs.writeFileSync(file, '{}')
    await lockfile.lock(file.toUpperCase())
    lockfile.unlockSync(file)
    lockfile.lockSync(file.toUpperCase())
    await lockfile.unlock(file)
    assert.equal(await lockfile.check(file), false)
  })

  test("the calls of proper-lockfile respect proper-lockfile's own lock while it is fresh, and take it over when it is stale", async () => {
    const file = path.join(parent, 'shared.json')
    fs.writeFileSync(file, '{}')
    fs.mkdirSync(`${file}.lock`)
    // Older than a lock that slocket is creating at this moment.
    const madeMs = fs.statSync(`${file}.lock`).birthtimeMs
    while (Date.now() < madeMs + 100) await new Promise((done) => setTimeout(done, 10))
    assert.equal(await lockfile.check(file), true)
    await assert.rejects(lockfile.lock(file), { code: 'ELOCKED' })
    assert.deepEqual(fs.readdirSync(`${file}.lock`), [])
    const old = new Date(Date.now() - 20_000)
    fs.utimesSync(`${file}.lock`, old, old)
    const release = await lockfile.lock(file)
    await release()
    assert.equal(fs.existsSync(`${file}.lock`), false)
  })
})

scenario('blocking processes contend in slocket.sync, and one is killed: two never hold', skip, async (scene) => {
  const [doomed, ...others] = await scene.spawnAll('a', 'b', 'c')
  const contend = { do: 'contend', path: scene.path, counter: scene.counter, sync: true, options: LEAVE } as const
  doomed.send({ ...contend, rounds: 1_000_000 })
  for (const other of others) other.send({ ...contend, rounds: 10 })
  await others[0].next('done')
  await doomed.kill()
  await others[1].next('done')
})

scenario('a thief gets the lock of a blocking process only after that continues', skip, async (scene) => {
  const url = new URL('../../src/index.js', import.meta.url).href
  // Says when its lock is stolen, by the clock that all processes share.
  const program = `
    const { writeSync } = require('node:fs')
    import(${JSON.stringify(url)}).then(async ({ LockManager }) => {
      const locks = new LockManager({ root: process.argv[1] })
      const stolen = locks.request('name', async () => {
        writeSync(1, 'held\\n')
        await new Promise((resolve) => process.stdin.once('data', resolve))
        writeSync(1, 'blocks\\n')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
        writeSync(1, process.hrtime.bigint() + '\\n')
        await new Promise(() => setTimeout(() => {}, 60_000))
      })
      stolen.catch(({ name }) => { writeSync(1, name + '\\n'); process.exit() })
    })`
  const victim = spawn(process.execPath, ['-e', program, scene.path], { stdio: ['pipe', 'pipe', 'inherit'] })
  scene.onEnd(() => void victim.kill('SIGKILL'))
  const said = createInterface(victim.stdout)[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await said.next()).value)
  assert.equal(await next(), 'held')
  victim.stdin.write('\n')
  assert.equal(await next(), 'blocks')
  const stolenNs = await new LockManager({ root: scene.path }).request('name', { steal: true }, () =>
    process.hrtime.bigint(),
  )
  const wentOnNs = BigInt(await next())
  assert.ok(stolenNs > wentOnNs, `stolen ${wentOnNs - stolenNs} ns too early`)
  assert.equal(await next(), 'AbortError')
})
