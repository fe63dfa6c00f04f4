// onWait: a call that waits says who it waits for.
import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import fs from 'node:fs'
import { after, describe, test } from 'node:test'
import type { Engine, EngineSnapshot, LockTrace, Requester, WaitNotice } from '../../src/index.ts'
import { local, memory, slocket } from '../../src/index.ts'
import { scenario } from '../helpers/scenario.ts'
import { DEADLINE_MS, until } from '../helpers/until.ts'
import { makeParent, runChild } from './run-child.ts'

const HOLDER: Requester = {
  claim: { kind: 'exclusive' },
  pid: 4711,
  sinceMs: 1000,
  label: 'the holder',
  command: 'node build.js',
  self: false,
}

/** A memory engine whose queue others look at by `query`. */
function shows(query: (signal: AbortSignal) => Promise<EngineSnapshot>): Engine {
  return { ...memory(), query: async (_, signal) => await query(signal!) }
}

const NOBODY: EngineSnapshot = { held: [], pending: [] }

describe('onWait', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)

  test('is called again only after a change', async () => {
    let snapshot: EngineSnapshot = { held: [HOLDER], pending: [] }
    let looks = 0
    const engine = shows(() => {
      looks += 1
      return Promise.resolve(snapshot)
    })
    const held = await slocket('lock', { engine })
    const notices: WaitNotice[] = []
    const onWait = (notice: WaitNotice): void => void notices.push(notice)
    const waiting = slocket('lock', { engine, onWait, waitNoticeAfter: 0 })
    const shown = { mode: 'exclusive', pid: 4711, since: new Date(1000), label: 'the holder', self: false }
    await until('a second look', () => looks >= 2)
    assert.deepEqual(notices, [{ held: [{ ...shown, command: 'node build.js' }], ahead: 0 }])
    // Its event loop is blocked: it is the same one, though less is known of it.
    snapshot = { held: [{ ...HOLDER, sinceMs: 999, label: undefined, command: undefined }], pending: [] }
    await until('a look at one that does not answer', () => looks >= 3)
    snapshot = { held: [HOLDER], pending: [{ ...HOLDER, sinceMs: 0 }] }
    await until('a notice of one ahead', () => notices.length === 2)
    assert.equal(notices[1]!.ahead, 1)
    snapshot = { held: [{ ...HOLDER, sinceMs: 2000 }], pending: [] }
    await until('a notice of another hold', () => notices.length === 3)
    assert.equal(notices[2]!.held[0]!.since?.getTime(), 2000)
    await held.release()
    await (await waiting).release()
    assert.equal(notices.length, 3)
  })

  test('is not called after an engine has refused by an exception, or by a result that is no promise', async () => {
    for (const acquire of [
      () => {
        throw new Error('no engine today')
      },
      () => undefined,
    ]) {
      let looks = 0
      const engine = shows(() => {
        looks += 1
        return Promise.resolve(NOBODY)
      })
      Object.assign(engine, { acquire })
      const onWait = (): void => assert.fail('the call has ended')
      await assert.rejects(slocket('lock', { engine, onWait, waitNoticeAfter: 0 }))
      await new Promise((resolve) => setTimeout(resolve, 50))
      assert.equal(looks, 0)
    }
  })

  test('is called again once a silent holder answers', async () => {
    const silent: Requester = { ...HOLDER, sinceMs: 999, label: undefined, command: undefined }
    let snapshot: EngineSnapshot = { held: [silent], pending: [] }
    let looks = 0
    const engine = shows(() => {
      looks += 1
      return Promise.resolve(snapshot)
    })
    const held = await slocket('lock', { engine })
    const labels: unknown[] = []
    const onWait = (notice: WaitNotice): void => void labels.push(notice.held[0]!.label)
    const waiting = slocket('lock', { engine, onWait, waitNoticeAfter: 0 })
    await until('a second look', () => looks >= 2)
    assert.deepEqual(labels, [undefined])
    snapshot = { held: [HOLDER], pending: [] }
    await until('a notice of the label', () => labels.length === 2)
    assert.equal(labels[1], 'the holder')
    await held.release()
    await (await waiting).release()
  })

  for (const [name, open] of Object.entries({ memory: () => memory(), local: () => local() })) {
    test(`counts the waiters ahead, even if all report the same about themselves; so does a timeout error: ${name}`, async () => {
      const engine = open()
      const options = { engine, linger: 0, label: 'one' }
      const held = await slocket(lockPath, options)
      const controller = new AbortController()
      const { signal } = controller
      const notices: number[][] = [[], [], [], [], []]
      const aborted = notices.map(async (aheads) => {
        const onWait = ({ ahead }: WaitNotice): void => void aheads.push(ahead)
        await assert.rejects(slocket(lockPath, { ...options, signal, onWait, waitNoticeAfter: 0 }), /mine/)
      })
      await assert.rejects(slocket(lockPath, { ...options, timeout: 500 }), { code: 'ERR_SLOCKET_TIMEOUT', ahead: 5 })
      await until('all have a notice', () => notices.every(({ length }) => length > 0))
      assert.deepEqual(notices, [[0], [1], [2], [3], [4]])
      controller.abort(new Error('mine'))
      await Promise.all(aborted)
      await held.release()
    })
  }

  test('is not called for a free lock, nor with timeout 0', async () => {
    const engine = shows(() => Promise.resolve({ held: [HOLDER], pending: [] }))
    const onWait = (): void => assert.fail('must not be called')
    const lock = await slocket('lock', { engine, onWait, waitNoticeAfter: 0 })
    await assert.rejects(slocket('lock', { engine, onWait, waitNoticeAfter: 0, timeout: 0 }), /4711/)
    await lock.release()
    const child = await runChild(
      `const lock = await slocket(lockPath)
       await slocket(lockPath, { timeout: 0, waitNoticeAfter: 0, onWait: () => console.log('called') }).catch(() => {})
       const later = await slocket(lockPath + 2, { waitNoticeAfter: 0, onWait: () => console.log('called') })
       await new Promise((resolve) => setTimeout(resolve, 20))
       console.log('done')`,
      lockPath,
    )
    assert.deepEqual([child.stdout, child.stderr], ['done\n', ''])
  })

  test('is not called while the lock passes from one holder to the next', async () => {
    let looks = 0
    const engine = shows(() => {
      looks += 1
      return Promise.resolve(NOBODY)
    })
    const held = await slocket('lock', { engine })
    const onWait = (): void => assert.fail('must not be called')
    const waiting = slocket('lock', { engine, onWait, waitNoticeAfter: 0 })
    await until('a look', () => looks > 0)
    await held.release()
    await (await waiting).release()
  })

  test('a query ends with the wait, however that ends, without a notice', async () => {
    for (const outcome of ['granted', 'aborted', 'timed out'] as const) {
      let looking: AbortSignal | undefined
      const engine = shows(async (signal) => {
        const isFirst = looking === undefined
        if (isFirst) looking = signal
        // It answers once nobody needs it any more.
        if (isFirst && !signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
        return { held: [HOLDER], pending: [] }
      })
      const held = await slocket('lock', { engine })
      const controller = new AbortController()
      const onWait = (): void => assert.fail('must not be called')
      const asked = { engine, onWait, waitNoticeAfter: 0, signal: controller.signal }
      const waiting = slocket('lock', outcome === 'timed out' ? { ...asked, timeout: 500 } : asked)
      const settled = waiting.then(
        (lock) => lock.release(),
        () => {},
      )
      await until('a look', () => looking !== undefined)
      if (outcome === 'aborted') controller.abort()
      if (outcome === 'granted') await held.release()
      await settled
      assert.equal(looking!.aborted, true, outcome)
      await held.release()
    }
  })

  test('a failed query is not a notice; the next one may be', async () => {
    let looks = 0
    const engine = shows(() => {
      looks += 1
      return looks === 1 ? Promise.reject(new Error('no server')) : Promise.resolve({ held: [HOLDER], pending: [] })
    })
    const held = await slocket('lock', { engine })
    const notices: WaitNotice[] = []
    const waiting = slocket('lock', { engine, onWait: (notice) => notices.push(notice), waitNoticeAfter: 0 })
    await until('a notice', () => notices.length === 1)
    assert.equal(looks, 2)
    await held.release()
    await (await waiting).release()
  })

  test('an exception from it is uncaught, and the wait continues', async () => {
    const { stdout, stderr, code } = await runChild(
      `process.on('uncaughtException', (error) => console.log('uncaught', error.message))
       const lock = await slocket(lockPath, { engine: local() })
       const waiting = slocket(lockPath, { waitNoticeAfter: 0, onWait: () => { setTimeout(() => lock.release(), 10); throw new Error('mine') } })
       await (await waiting).release()
       console.log('granted')`,
      lockPath,
    )
    assert.deepEqual([stdout, stderr, code], ['uncaught mine\ngranted\n', '', 0])
  })

  test('does not keep the process alive', async () => {
    const { stdout, stderr, code } = await runChild(
      `const engine = { ...memory(), acquire: () => new Promise(() => {}), query: async () => ({ held: [{ claim: { kind: 'exclusive' }, pid: 1 }], pending: [] }) }
       slocket('lock', { engine, waitNoticeAfter: 0, onWait: ({ held }) => console.log(held[0].pid) })
       // The process has something else to do until the first notice.
       setTimeout(() => {}, 100)`,
      lockPath,
    )
    assert.deepEqual([stdout, stderr, code], ['1\n', '', 0])
  })
})

scenario('onWait shows holding and waiting processes, and a file at the path', async (scene) => {
  const [holder, other] = await scene.spawnAll('holder', 'other')
  const notices: WaitNotice[] = []
  const last = (): unknown => notices.at(-1) && [notices.at(-1)!.held.map(({ pid }) => pid), notices.at(-1)!.ahead]
  const asked = { linger: 0, waitNoticeAfter: 0, onWait: (notice: WaitNotice) => void notices.push(notice) }
  await holder.acquire(scene.path, { label: 'nightly' })
  await other.enqueue(scene.path, { label: 'other' })
  const waiting = slocket(scene.path, { ...asked, label: 'waiting' })
  await until('a notice of both', () => JSON.stringify(last()) === JSON.stringify([[holder.pid], 1]))
  assert.deepEqual([notices.at(-1)!.held[0]!.label, notices.at(-1)!.obstacle], ['nightly', undefined])
  await other.kill()
  await until('a notice that the one ahead has gone', () => notices.at(-1)!.ahead === 0)
  await holder.kill()
  await (await waiting).release()

  fs.writeFileSync(scene.path, '')
  const blocked = slocket(scene.path, asked)
  await until('a notice of the file', () => notices.at(-1)!.obstacle !== undefined)
  const { held, ahead, obstacle } = notices.at(-1)!
  assert.deepEqual([held, ahead, obstacle!.kind], [[], 0, 'file'])
  fs.rmSync(scene.path)
  await (await blocked).release()
})

scenario('a blocking call notifies its caller and subscribers of the holder', async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path, { label: 'nightly' })
  const seen: unknown[] = []
  const told: unknown[] = []
  const subscriber = (message: unknown): void => void told.push((message as LockTrace).notice)
  diagnostics.subscribe('slocket:wait-notice', subscriber)
  const lock = slocket.sync(scene.path, {
    linger: 0,
    timeout: DEADLINE_MS,
    waitNoticeAfter: 0,
    onWait: (notice) => {
      seen.push(notice)
      holder.signal('SIGKILL')
    },
  })
  diagnostics.unsubscribe('slocket:wait-notice', subscriber)
  const { held, ahead } = seen[0] as WaitNotice
  assert.deepEqual([held.map(({ pid, label }) => [pid, label]), ahead], [[[holder.pid, 'nightly']], 0])
  assert.deepEqual(told, seen)
  assert.equal(lock.recovered, true)
  lock.release()
})

scenario('an exception from onWait during a blocking call is reported afterwards', async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path)
  holder.mayEnd = true
  scene.journal.write({ kind: '!', who: holder.name })
  const { stdout, stderr, code } = await runChild(
    `process.on('uncaughtException', (error) => console.log('uncaught', error.message))
     const onWait = ({ held }) => { process.kill(held[0].pid, 'SIGKILL'); throw new Error('mine') }
     const lock = slocket.sync(lockPath, { timeout: ${DEADLINE_MS}, waitNoticeAfter: 0, onWait })
     console.log('granted')
     lock.release()`,
    scene.path,
  )
  assert.deepEqual([stdout, stderr, code], ['granted\nuncaught mine\n', '', 0])
})
