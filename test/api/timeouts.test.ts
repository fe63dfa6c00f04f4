// A timeout rejects on time, even if the processes that are queried for its message don't answer.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import type {
  AcquireRequest,
  Engine,
  EngineSnapshot,
  Grant,
  LockRequest,
  Requester,
  SlocketError,
} from '../../src/index.ts'
import { isSlocketError, local, memory, slocket } from '../../src/index.ts'
import { NO_STOPS, scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const HOLDER: Requester = {
  claim: { kind: 'exclusive' },
  pid: 4711,
  sinceMs: Date.now(),
  label: 'the holder',
  command: undefined,
  self: false,
}

interface Parts {
  acquire?(request: AcquireRequest): Promise<Grant | null>
  query?(signal: AbortSignal): Promise<EngineSnapshot>
}

/** An engine whose locks are always held by somebody else, and that nobody answers but `parts`. */
function engineOf({ acquire = untilAborted, query = () => new Promise(() => {}) }: Parts): Engine {
  return {
    ...memory(),
    acquire: async (_, request) => (request.wait ? await acquire(request) : null),
    query: async (_, signal) => await query(signal!),
  }
}

async function untilAborted({ signal }: AcquireRequest): Promise<never> {
  return await new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)))
}

describe('a timeout', () => {
  test('queries the holders before the deadline, so that the answer is there in time', async () => {
    for (const timeout of [2, 40, 600]) {
      const steps: string[] = []
      const engine = engineOf({
        query: async () => {
          steps.push('asked')
          return await Promise.resolve({ held: [HOLDER], pending: [] })
        },
        acquire: async (request) => {
          request.signal!.addEventListener('abort', () => steps.push('ended'))
          return await untilAborted(request)
        },
      })
      await assert.rejects(slocket('lock', { engine, timeout }), /held by pid 4711 \('the holder'\)/)
      assert.deepEqual(steps, ['asked', 'ended'])
    }
  })

  test('does not wait for an answer, and reports what is known', async () => {
    for (const timeout of [0, 1, 50]) {
      const silent = engineOf({})
      await assert.rejects(
        slocket('lock', { engine: silent, timeout }),
        /its holders could not be determined: .*in time/,
      )
      const partial = engineOf({
        query: (signal) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => resolve({ held: [{ ...HOLDER, label: undefined }], pending: [] }))
          }),
      })
      await assert.rejects(slocket('lock', { engine: partial, timeout }), /held by pid 4711 for/)
    }
  })

  test('stops the query when the lock is granted or the wait is aborted', async () => {
    const reason = new Error('enough')
    for (const outcome of ['granted', 'aborted'] as const) {
      const controller = new AbortController()
      let asking: AbortSignal | undefined
      let grant!: (grant: Grant) => void
      const engine = engineOf({
        acquire: async (request) =>
          await Promise.race([untilAborted(request), new Promise<Grant>((resolve) => (grant = resolve))]),
        query: async (signal) => {
          asking = signal
          if (outcome === 'granted') grant({ token: 1n, recovered: false, release: () => {}, onLost: () => {} })
          else controller.abort(reason)
          return await new Promise(() => {})
        },
      })
      const asked = slocket('lock', { engine, timeout: 20, signal: controller.signal })
      if (outcome === 'granted') await (await asked).release()
      else await assert.rejects(asked, (error) => error === reason)
      assert.equal(asking?.aborted, true)
    }
  })

  test('rejects with the reason of an abort during the query', async () => {
    const reason = new Error('enough')
    for (const timeout of [0, 1]) {
      const controller = new AbortController()
      const engine = engineOf({
        query: async (signal) => {
          signal.addEventListener('abort', () => controller.abort(reason))
          return await new Promise(() => {})
        },
      })
      const asked = slocket('lock', { engine, timeout, signal: controller.signal })
      await assert.rejects(asked, (error) => error === reason)
    }
  })

  test('starts no timer if the lock is free, and leaves none after a grant', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const options = { engine: memory(), timeout: 100_000 }
    const before = timers()
    const asked = slocket('lock', options)
    assert.equal(timers(), before)
    const lock = await asked
    const waiting = slocket('lock', options)
    assert.ok(timers() > before)
    await lock.release()
    await (await waiting).release()
    assert.equal(timers(), before)
  })

  test('waits until the engine has cancelled the request: then nothing is held', async () => {
    const steps: string[] = []
    const engine = engineOf({
      acquire: async ({ signal }) => {
        await untilAborted({ signal } as AcquireRequest).catch(() => {})
        // As long as a server may take.
        await new Promise((resolve) => setTimeout(resolve, 50))
        steps.push('cancelled')
        throw signal!.reason
      },
    })
    await assert.rejects(slocket('lock', { engine, timeout: 1 }), { code: 'ERR_SLOCKET_TIMEOUT' })
    assert.deepEqual(steps, ['cancelled'])
  })

  test('counts the requests ahead, not itself and not those behind', async () => {
    const engine = memory()
    const options = { engine, label: 'same' }
    const held = await slocket('lock', options)
    const controller = new AbortController()
    const { signal } = controller
    const wait = (): Promise<unknown> => slocket('lock', { ...options, signal }).catch(() => undefined)
    const ahead = [wait(), wait()]
    await assert.rejects(slocket('lock', { ...options, timeout: 0 }), /2 waiting ahead/)
    const timed = slocket('lock', { ...options, label: 'timed', timeout: 30 })
    const behind = wait()
    await assert.rejects(timed, /; 2 waiting ahead$/)
    controller.abort()
    await Promise.all([...ahead, behind])
    await held.release()
  })

  test('has properties for programs, and is printed once', async () => {
    const snapshot = { held: [{ ...HOLDER, sinceMs: 5 }], pending: [HOLDER] }
    const engine = engineOf({ query: () => Promise.resolve(snapshot) })
    const error = await errorOf(slocket('lock', { engine, timeout: 0 }))
    const holder = { mode: 'exclusive', pid: 4711, since: new Date(5), label: 'the holder', self: false }
    assert.deepEqual([error.path, error.held, error.ahead, error.obstacle], ['lock', [holder], 1, undefined])
    assert.deepEqual(Object.keys(error), ['code'])
  })

  test('omits holders that could not be found out', async () => {
    const error = await errorOf(slocket('lock', { engine: engineOf({}), timeout: 1 }))
    assert.deepEqual([error.path, 'held' in error, 'ahead' in error], ['lock', false, false])
  })
})

async function errorOf(asked: Promise<unknown>): Promise<SlocketError> {
  const error = await asked.catch((reason: unknown) => reason)
  assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), String(error))
  return error
}

scenario('a timeout names a file at the path; blocking calls report the same', async (scene) => {
  const name = path.relative('.', scene.path)
  fs.writeFileSync(scene.path, '')
  for (const ask of [() => slocket(name, { timeout: 1 }), () => sync(name, 1)]) {
    const error = await errorOf(ask())
    assert.deepEqual([error.path, error.held, error.ahead, error.obstacle?.kind], [name, [], 0, 'file'])
  }
  fs.rmSync(scene.path)
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path, { label: 'busy' })
  // A holder that is too busy to answer in time is named without its label.
  const {
    path: named,
    held,
    ahead,
  } = await until('the holder says its label', async () => {
    const error = await errorOf(sync(name, 1000))
    return error.held?.[0]?.label !== undefined && error
  })
  assert.deepEqual([named, ahead, held?.length], [name, 0, 1])
  const [{ pid, label, since }] = held as [LockRequest]
  assert.deepEqual([pid, label, since instanceof Date], [holder.pid, 'busy', true])
})

async function sync(name: string, timeout: number): Promise<unknown> {
  return await new Promise((resolve) => resolve(slocket.sync(name, { timeout, linger: 0 })))
}

scenario('a timeout shows a stopped holder as far as its ticket describes it', { skip: NO_STOPS }, async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path, { label: 'stopped' })
  await holder.stop()
  for (const timeout of [0, 20]) {
    const pattern = new RegExp(`held by pid ${holder.pid} for .*; 0 waiting ahead$`)
    await assert.rejects(slocket(scene.path, { timeout, linger: 0 }), pattern)
  }
  holder.continue()
})

scenario('a query that must answer at once returns what is known', { skip: NO_STOPS }, async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path, { label: 'stopped' })
  await waiter.enqueue(scene.path, { label: 'stopped, too' })
  await Promise.all([holder.stop(), waiter.stop()])
  const controller = new AbortController()
  const query = local().query(scene.path, controller.signal)
  controller.abort()
  const later = new Promise<undefined>((resolve) => setImmediate(resolve, undefined))
  const snapshot = await Promise.race([query, later])
  assert.deepEqual(
    snapshot && [snapshot.held, snapshot.pending].map((all) => all.map(({ pid, label }) => [pid, label])),
    [[[holder.pid, undefined]], [[waiter.pid, undefined]]],
  )
  for (const stopped of [holder, waiter]) stopped.continue()
})
