// Within one client: how the callback is called, what comes of it, and signals. Over memory, and over a directory.
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { Engine, LockManager as Manager, WebLock } from '../../src/index.ts'
import { LockManager, memory } from '../../src/index.ts'

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-web-'))
after(() => fs.rmSync(directory, { recursive: true, force: true }))

const managers: readonly (readonly [string, Manager])[] = [
  ['memory', new LockManager({ engine: memory() })],
  ['a directory', new LockManager({ root: path.join(directory, 'root') })],
]
let names = 0
/** Turns of the microtask queue, more than there are between a request and its callback. */
const MOST_TURNS = 40

/** A promise, and what settles it. */
function held(): { promise: Promise<unknown>; end: (value?: unknown) => void; fail: (error: unknown) => void } {
  let end!: (value?: unknown) => void
  let fail!: (error: unknown) => void
  const promise = new Promise((resolve, reject) => {
    end = resolve
    fail = reject
  })
  return { promise, end, fail }
}

/** Resolves once the lock is held, with what tells of its end. */
async function granted(
  manager: Manager,
  name: string,
  promise: Promise<unknown>,
): Promise<{ settled: Promise<unknown> }> {
  return await new Promise((resolve) => {
    const settled: Promise<unknown> = manager.request(name, () => {
      resolve({ settled })
      return promise
    })
    settled.catch(() => {})
  })
}

for (const [where, locks] of managers) {
  describe(`over ${where}`, () => {
    const newName = (): string => `name ${(names += 1)}`
    const isFree = async (name: string): Promise<boolean> =>
      await locks.request(name, { ifAvailable: true }, (lock) => lock !== null)

    test('the callback is called once, asynchronously, with one argument and no this', async () => {
      const calls: unknown[][] = []
      let isSync = true
      const done = locks.request(newName(), function (this: unknown, ...given: unknown[]) {
        calls.push([this, isSync, given.length])
      } as () => void)
      isSync = false
      await done
      assert.deepEqual(calls, [[undefined, false, 1]])
    })

    test('it runs in the asynchronous context of the request', async () => {
      const storage = new AsyncLocalStorage<string>()
      const name = newName()
      const { promise, end } = held()
      const first = locks.request(name, () => promise)
      const seen = storage.run('mine', () => locks.request(name, () => storage.getStore()))
      storage.run('other', end)
      await first
      assert.equal(await seen, 'mine')
    })

    test('values, promises, thenables and failures are passed on, and the lock is free by then', async () => {
      const name = newName()
      const failure = { name: 'failure' }
      assert.equal(await locks.request(name, () => 123), 123)
      assert.equal(await locks.request(name, async () => await Promise.resolve(456)), 456)
      assert.equal(await isFree(name), true)
      for (const fail of [() => Promise.reject(failure), () => throwOut(failure)]) {
        await assert.rejects(locks.request(name, fail), (error) => error === failure)
        assert.equal(await isFree(name), true)
      }
      let finish!: (value: string) => void
      // oxlint-disable-next-line unicorn/no-thenable -- what is tested
      const thenable = { then: (resolve: (value: string) => void) => void (finish = resolve) }
      const done = locks.request(name, () => thenable)
      assert.equal(await isFree(name), false)
      finish('later')
      assert.equal(await done, 'later')
    })

    test('a thrown thenable is not called', async () => {
      let isCalled = false
      // oxlint-disable-next-line unicorn/no-thenable -- what is tested
      const thenable = { then: () => (isCalled = true) }
      for (const fail of [() => throwOut(thenable), async () => await Promise.reject(thenable)]) {
        // Not `assert.rejects`, which hands the error on by a promise, and so calls then() itself.
        const isThenable = await locks.request(newName(), fail as () => never).then(
          () => false,
          (error: unknown) => error === thenable,
        )
        assert.equal(isThenable, true)
      }
      assert.equal(isCalled, false)
    })

    test("an unavailable lock is null, and the callback's result is passed on", async () => {
      const name = newName()
      const failure = new Error('failure')
      await locks.request(name, async () => {
        const got: (WebLock | null)[] = []
        assert.equal(await locks.request(name, { ifAvailable: true }, (lock) => got.push(lock)), 1)
        await assert.rejects(
          locks.request(name, { ifAvailable: true }, () => throwOut(failure)),
          failure,
        )
        assert.deepEqual(got, [null])
        assert.deepEqual((await locks.query()).pending, [])
      })
    })

    test('a holder that requests again waits, in the order of the calls of one tick', async () => {
      const name = newName()
      const order: string[] = []
      const { promise, end } = held()
      const note = (what: string) => () => void order.push(what)
      const all = [
        locks.request(name, () => promise),
        locks.request(name, { ifAvailable: true }, (lock) => void order.push(`try ${lock === null}`)),
        locks.request(name, { mode: 'shared' }, note('shared')),
        locks.request(name, note('exclusive')),
        locks.request(name, { mode: 'shared' }, note('last')),
      ]
      const { held: holding, pending } = await locks.query()
      assert.equal(holding.length, 1)
      assert.deepEqual(
        pending.map(({ mode }) => mode),
        ['shared', 'exclusive', 'shared'],
      )
      end()
      await Promise.all(all)
      assert.deepEqual(order, ['try true', 'shared', 'exclusive', 'last'])
    })

    test('callbacks that need not wait are called in the order of the requests, across names', async () => {
      // The first time, the manager may have nothing yet.
      for (let round = 0; round < 3; round += 1) {
        const order: number[] = []
        const own = [newName(), newName(), newName()]
        const asking = [0, 1, 2, 1, 0, 2, 0].map((index, number) =>
          locks.request(own[index]!, { mode: 'shared' }, async () => {
            order.push(number)
            const { held: holding } = await locks.query()
            return holding.map(({ name }) => own.indexOf(name))
          }),
        )
        const shown = await Promise.all(asking)
        assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6])
        assert.deepEqual(shown[0], [0, 1, 2, 1, 0, 2, 0])
        const tries = [1, 0, 2].map((index) =>
          locks.request(own[index]!, { ifAvailable: true }, () => order.push(index)),
        )
        await Promise.all(tries)
        assert.deepEqual(order.slice(7), [1, 0, 2])
      }
    })

    test('a callback that waits for a release comes after one of another name that need not wait', async () => {
      const [name, other] = [newName(), newName()]
      const order: string[] = []
      const inner: Promise<unknown>[] = []
      await locks.request(name, async () => {
        inner.push(locks.request(name, () => order.push('waited')))
        inner.push(locks.request(other, () => order.push('free')))
      })
      await Promise.all(inner)
      assert.deepEqual(order, ['free', 'waited'])
    })

    test('query is answered after the callbacks of the locks that it shows as held', async () => {
      for (let round = 0; round < 3; round += 1) {
        const { promise, end } = held()
        const own = Array.from({ length: 3 }, newName)
        const called: string[] = []
        const requests = own.map((name) =>
          locks.request(name, () => {
            called.push(name)
            return promise
          }),
        )
        assert.deepEqual(
          (await locks.query()).held.map(({ name }) => name),
          called,
        )
        assert.deepEqual(called, own)
        end()
        await Promise.all(requests)
      }
    })

    test('query shows held in the order of the grants, and pending in that of the requests, across names', async () => {
      const own = ['c', 'a', 'b'].map((letter) => `${newName()} ${letter}`)
      const { promise, end } = held()
      const holding = await Promise.all(own.map((name) => granted(locks, name, promise)))
      const waiting = own.toReversed().map((name) => locks.request(name, () => promise))
      const shown = async (): Promise<string[][]> => {
        const { held: holders, pending } = await locks.query()
        return [holders, pending].map((infos) => infos.map(({ name }) => name))
      }
      assert.deepEqual(await shown(), [own, own.toReversed()])
      end()
      await Promise.all([...holding.map(({ settled }) => settled), ...waiting])
      assert.deepEqual(await shown(), [[], []])
    })

    test('an abort right after the request wins, and the next one is served', async () => {
      const name = newName()
      const controller = new AbortController()
      const called = locks.request(name, { signal: controller.signal }, () => assert.fail('called'))
      const next = locks.request(name, () => 'next')
      controller.abort('reason')
      await assert.rejects(called, (error) => error === 'reason')
      assert.equal(await next, 'next')
      assert.equal(await isFree(name), true)
    })

    test('after an abort at any moment before the callback, a try finds the lock free', async () => {
      for (const hasWaited of [false, true]) {
        for (let turns = 0; turns < MOST_TURNS; turns += 1) {
          const name = newName()
          const { promise, end } = held()
          const before = hasWaited ? await granted(locks, name, promise) : undefined
          const controller = new AbortController()
          let isCalled = false
          const request = locks.request(name, { signal: controller.signal }, () => (isCalled = true))
          const outcome = request.catch((error: unknown) => error)
          end()
          for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
          controller.abort('reason')
          assert.equal(await outcome, isCalled ? true : 'reason')
          await before?.settled
          assert.equal(await isFree(name), true, `after ${turns} turns`)
          assert.equal(await outcome, isCalled ? true : 'reason')
        }
      }
    })

    test('an abort while waiting rejects with the reason, whatever that is', async () => {
      const name = newName()
      await locks.request(name, async () => {
        for (const reason of [new Error('reason'), null, 0, '']) {
          const controller = new AbortController()
          const waiting = locks.request(name, { signal: controller.signal }, () => assert.fail('called'))
          assert.equal((await locks.query()).pending.length, 1)
          const rejected = assert.rejects(waiting, (error) => error === reason)
          controller.abort(reason)
          assert.equal((await locks.query()).pending.length, 0)
          await rejected
        }
        const { signal } = new AbortController()
        const timeout = locks.request(name, { signal: AbortSignal.any([AbortSignal.timeout(5), signal]) }, () => 1)
        await assert.rejects(timeout, { name: 'TimeoutError' })
      })
    })

    test('after the grant, there is no listener on the signal any more', async () => {
      const controller = new AbortController()
      const { signal } = controller
      await locks.request(newName(), { signal }, async () => {
        assert.equal(getEventListeners(signal, 'abort').length, 0)
        controller.abort()
        await Promise.resolve()
      })
      assert.equal(getEventListeners(signal, 'abort').length, 0)
    })

    test('a stolen lock rejects at once; what its callback does then has no effect', async () => {
      const name = newName()
      const { promise, fail } = held()
      const { settled } = await granted(locks, name, promise)
      const waiting = locks.request(name, () => 'waited')
      const thief = held()
      const theft = locks.request(name, { steal: true }, () => thief.promise)
      await assert.rejects(settled, { name: 'AbortError', code: 20 })
      fail(new Error('nobody hears this'))
      assert.equal(await isFree(name), false)
      thief.end('loot')
      assert.equal(await theft, 'loot')
      assert.equal(await waiting, 'waited')
    })

    test('a lock that is stolen before its callback has run: it runs, and the request rejects', async () => {
      const name = newName()
      const called: string[] = []
      const first = locks.request(name, () => void called.push('first'))
      const theft = locks.request(name, { steal: true }, () => void called.push('thief'))
      const results = await Promise.allSettled([first, theft])
      assert.deepEqual([...called].sort(), ['first', 'thief'])
      assert.equal(results[1].status, 'fulfilled')
    })
  })
}

test('managers of one directory are the same, by whatever path', async () => {
  const root = path.join(directory, 'shared')
  const one = new LockManager({ root })
  const two = new LockManager({ root: `${directory}/./shared/` })
  await one.request('name', async () => {
    assert.equal(await two.request('name', { ifAvailable: true }, (lock) => lock), null)
    const { held: holding } = await two.query()
    assert.equal(holding.length, 1)
    await two.request('other', async () => {
      const ids = (await one.query()).held.map(({ clientId }) => clientId)
      assert.equal(new Set(ids).size, 1)
    })
  })
  // On Windows there are no members.
  if (process.platform !== 'win32') assert.deepEqual(fs.readdirSync(path.join(root, '.members')).length, 1)
})

test('a request that was cancelled between the grant and its callback releases the lock', async () => {
  const engine = memory()
  const controller = new AbortController()
  let releases = 0
  const late: Engine = {
    ...engine,
    async acquire(name, request) {
      // As an engine elsewhere may: granted there, and cancelled here, before it is known.
      const grant = await engine.acquire(name, { ...request, signal: undefined })
      queueMicrotask(() => controller.abort('late'))
      await new Promise((resolve) => setImmediate(resolve))
      return {
        ...grant!,
        onLost: () => {},
        release: () => {
          releases += 1
          return grant!.release()
        },
      }
    },
  }
  const locks = new LockManager({ engine: late })
  const called = locks.request('name', { signal: controller.signal }, () => assert.fail('called'))
  await assert.rejects(called, (error) => error === 'late')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(releases, 1)
  assert.deepEqual(await engine.query('name'), { held: [], pending: [] })
})

function throwOut(value: unknown): never {
  throw value
}
