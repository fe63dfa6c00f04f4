// slocket.all(): several locks at once, all of them or none, and no two callers wait for each other.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { Engine, Lock, LockSet, SlocketOptions } from '../../src/index.ts'
import { isSlocketError, local, LockManager, memory, MemoryStore, slocket, SlocketError } from '../../src/index.ts'
import { pass, until } from '../helpers/until.ts'
import { makeParent } from './run-child.ts'

const { lockPath, dispose } = makeParent()
after(dispose)

const [A, B, C] = ['a', 'b', 'c'].map((name) => `${lockPath}-${name}`) as [string, string, string]
const LOST = { code: 'ERR_SLOCKET_LOST' }
const DEADLOCK = { code: 'ERR_SLOCKET_DEADLOCK' }
const TIMEOUT = { code: 'ERR_SLOCKET_TIMEOUT' }
const notCalled = (): void => assert.fail('must not be called')

const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }

for (const [name, open] of Object.entries(engines)) {
  describe(`slocket.all: ${name}`, () => {
    const engine = open()
    const options = (more: SlocketOptions = {}): SlocketOptions => ({ engine, linger: 0, ...more })

    async function assertFree(...paths: readonly string[]): Promise<void> {
      for (const one of paths) assert.deepEqual(await slocket.query(one, { engine }), { held: [], pending: [] })
    }
    const waits = (one: string): Promise<boolean> =>
      until(`somebody waits for ${one}`, async () => (await slocket.query(one, { engine })).pending.length > 0)

    test('gives the locks in the order of the arguments, and releases each once', async () => {
      const set = await slocket.all([B, C, A], options())
      assert.deepEqual(
        set.locks.map((lock) => lock.name),
        [B, C, A],
      )
      assert.equal(set.held, true)
      set.assertHeld()
      for (const one of [A, B, C]) assert.equal(await slocket.try(one, options()), null)
      const { signal, release } = set
      await Promise.all([release(), release()])
      await assertFree(A, B, C)
      assert.equal(set.held, false)
      assert.equal(signal.aborted, false)
      assert.throws(() => set.assertHeld(), LOST)
      const next = await slocket(A, options())
      await set.release()
      assert.equal(next.held, true)
      await next.release()
    })

    test('a path that is given twice counts as one lock', async () => {
      const set = await slocket.all([A, B, A], options({ timeout: 60_000 }))
      assert.equal(set.locks.length, 3)
      assert.equal(set.locks[0], set.locks[2])
      await set.release()
      await assertFree(A, B)
    })

    test('await using releases all locks', async () => {
      let kept: LockSet
      {
        await using set = await slocket.all([A, B], options())
        kept = set
      }
      assert.equal(kept.held, false)
      await assertFree(A, B)
    })

    test('the locks have the requested mode', async () => {
      const readers = await Promise.all([1, 2].map(() => slocket.all([B, A], options({ mode: 'shared' }))))
      assert.deepEqual(
        readers.flatMap(({ locks }) => locks.map(({ mode }) => mode)),
        ['shared', 'shared', 'shared', 'shared'],
      )
      for (const set of readers) await set.release()
    })

    for (const timeout of [0, 40]) {
      test(`rejects after ${timeout} ms if one lock is not free, and holds none`, async () => {
        const holder = await slocket(B, options())
        await assert.rejects(slocket.all([C, B, A], options({ timeout })), (error: Error) => {
          assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'))
          assert.ok(error.message.includes(B), error.message)
          return true
        })
        await assertFree(A, C)
        await holder.release()
      })
    }

    test('the timeout applies to all locks together, and the error names the one that was not free', async () => {
      const holders = [await slocket(A, options()), await slocket(B, options())]
      const timeout = 1000
      const ended: string[] = []
      const ends = (which: string, asking: Promise<unknown>): Promise<unknown> =>
        asking.then(notCalled, (error: Error) => {
          ended.push(which)
          return error
        })
      const failing = ends('all', slocket.all([A, B], options({ timeout })))
      await waits(A)
      await pass(50)
      // Its time limit ends before one that began at the grant of A would.
      const later = ends('later', slocket(B, options({ timeout })))
      await pass(50)
      await holders[0]!.release()
      assert.match(String(await failing), /-b' was not free within 1000 ms/)
      await later
      assert.deepEqual(ended, ['all', 'later'])
      await holders[1]!.release()
      await assertFree(A, B)
    })

    test('an abort rejects with its reason, and no lock is held', async () => {
      const holder = await slocket(B, options())
      const controller = new AbortController()
      const asking = slocket.all([A, B, C], options({ signal: controller.signal }))
      const reason = new Error('mine')
      const rejected = assert.rejects(asking, (error) => error === reason)
      await waits(B)
      assert.equal(await slocket.try(A, options()), null)
      controller.abort(reason)
      await rejected
      await assertFree(A, C)
      assert.deepEqual((await slocket.query(B, { engine })).pending, [])
      await assert.rejects(
        slocket.all([A], options({ signal: AbortSignal.abort(reason) })),
        (error) => error === reason,
      )
      await holder.release()
    })

    test('an abort has no effect once all locks are held', async () => {
      const controller = new AbortController()
      const set = await slocket.all([A, B], options({ signal: controller.signal }))
      controller.abort()
      assert.equal(set.held, true)
      assert.equal(set.signal.aborted, false)
      await set.release()
    })

    test('slocket.all.with runs the body under all locks, and always releases them', async () => {
      const result = await slocket.all.with([B, A], options(), async ({ locks, held }) => {
        assert.deepEqual([held, locks.map((lock) => lock.name)], [true, [B, A]])
        for (const one of [A, B]) assert.equal(await slocket.try(one, options()), null)
        return 'done'
      })
      assert.equal(result, 'done')
      await assertFree(A, B)
      const failure = new Error('mine')
      const failing = slocket.all.with([A, B], options(), () => {
        throw failure
      })
      await assert.rejects(failing, (error) => error === failure)
      await assertFree(A, B)
    })

    test('a body of slocket.all.with that requests one of its locks is a deadlock, and vice versa', async () => {
      for (const one of [A, B]) {
        await slocket.all.with([A, B], options(), () =>
          assert.rejects(slocket.with(one, options({ timeout: 60_000 }), notCalled), DEADLOCK),
        )
        await slocket.with(one, options(), async () => {
          await assert.rejects(slocket.all.with([C, B, A], options({ timeout: 60_000 }), notCalled), DEADLOCK)
          await assertFree(...[A, B, C].filter((other) => other !== one))
        })
      }
      await assertFree(A, B, C)
    })
  })
}

describe('slocket.all, if a lock is lost', () => {
  async function steal(engine: Engine, name: string): Promise<void> {
    await new LockManager({ engine }).request(name, { steal: true }, () => {})
  }

  test('the signal aborts with the reason of the lost lock, even if it is first read later', async () => {
    for (const isReadBefore of [true, false]) {
      const engine = memory()
      const set = await slocket.all(['a', 'b'], { engine })
      const early = isReadBefore ? set.signal : undefined
      await steal(engine, 'b')
      assert.equal(set.signal.aborted, true)
      assert.equal(set.signal.reason, set.locks[1]!.signal.reason)
      if (early !== undefined) assert.equal(early, set.signal)
      assert.deepEqual([set.held, set.locks[0]!.held], [false, true])
      assert.throws(
        () => set.assertHeld(),
        (error) => error === set.signal.reason,
      )
      await set.release()
      assert.deepEqual(await slocket.query('a', { engine }), { held: [], pending: [] })
    }
  })

  test('the call rejects while it waits for another lock, and leaves its queue', async () => {
    const store = new MemoryStore()
    const engine = memory(store)
    const holder = await slocket('b', { engine })
    const asking = assert.rejects(slocket.all(['a', 'b'], { engine }), LOST)
    await until('it waits', async () => (await slocket.query('b', { engine })).pending.length === 1)
    await steal(memory(store), 'a')
    await asking
    assert.deepEqual(await slocket.query('a', { engine }), { held: [], pending: [] })
    assert.deepEqual((await slocket.query('b', { engine })).pending, [])
    await holder.release()
  })

  test('a loss that was not reported is found at the end of the call', async () => {
    const inner = memory()
    const lost = new SlocketError('ERR_SLOCKET_LOST', 'it has run out')
    let isFirstLost = false
    const engine: Engine = {
      ...inner,
      async acquire(resource, request) {
        const grant = (await inner.acquire(resource, request))!
        if (resource !== 'a') isFirstLost = true
        let lose!: (error: Error) => void
        return {
          token: grant.token,
          recovered: false,
          release: () => grant.release(),
          onLost: (listener) => (lose = listener),
          isHeld: () => {
            if (resource !== 'a' || !isFirstLost) return true
            lose(lost)
            return false
          },
        }
      },
    }
    await assert.rejects(slocket.all(['a', 'b'], { engine }), (error) => error === lost)
    assert.deepEqual(await slocket.query('b', { engine }), { held: [], pending: [] })
  })

  test('slocket.all.with rejects with the result of the body, and releases the other locks', async () => {
    const engine = memory()
    const running = slocket.all.with(['a', 'b'], { engine }, async () => {
      await steal(engine, 'a')
      return 'done'
    })
    const error = await running.then(notCalled, (reason: unknown) => reason)
    assert.ok(isSlocketError(error, 'ERR_SLOCKET_LOST'), String(error))
    assert.equal(error.result, 'done')
    assert.match(error.message, /^the lock 'a' was lost while the body ran: /)
    assert.deepEqual(await slocket.query('b', { engine }), { held: [], pending: [] })
  })
})

test('a failed release is thrown, and the other locks are released', async () => {
  const inner = memory()
  const failure = new SlocketError('ERR_SLOCKET_NOT_RELEASED', 'no')
  const engine: Engine = {
    ...inner,
    acquire: async (resource, request) => {
      const grant = (await inner.acquire(resource, request))!
      const release = (): void | Promise<void> => (resource === 'b' ? Promise.reject(failure) : grant.release())
      return { token: 1n, recovered: false, onLost: () => {}, release }
    },
  }
  const set = await slocket.all(['a', 'b', 'c'], { engine })
  await assert.rejects(set.release(), (error) => error === failure)
  for (const one of ['a', 'c']) assert.deepEqual(await slocket.query(one, { engine }), { held: [], pending: [] })
})

describe('the arguments of slocket.all', () => {
  const engine = memory()
  const asAny = slocket.all as unknown as (...given: unknown[]) => Promise<unknown>
  const withAny = slocket.all.with as unknown as (...given: unknown[]) => Promise<unknown>

  test('wrong arguments reject; nothing is thrown synchronously', async () => {
    for (const [paths, message] of [
      ['a.lock', /paths must be an array of paths, not 'a\.lock'/],
      [undefined, /paths must be an array/],
      [[], /paths must not be empty/],
      [['a', 7], /path must be a string/],
      [['a', ''], /path must not be empty/],
      // oxlint-disable-next-line no-sparse-arrays -- a hole is one of the wrong arguments
      [['a', , 'b'], /path must be a string/],
    ] as const) {
      await assert.rejects(asAny(paths, { engine }), { name: 'TypeError', message })
      await assert.rejects(withAny(paths, { engine }, notCalled), { name: 'TypeError', message })
    }
    await assert.rejects(withAny(['a'], { engine }), { name: 'TypeError', message: /must be a function/ })
    await assert.rejects(asAny(['a'], { engine, timeout: -1 }), RangeError)
    await assert.rejects(asAny(['a'], { engine, reentrant: true }), {
      name: 'TypeError',
      message: /^unknown option 'reentrant' of slocket\.all\(\): only slocket\.with\(\)/,
    })
    await assert.rejects(withAny(['a'], { engine, timout: 1 }, notCalled), {
      name: 'TypeError',
      message: /^unknown option 'timout' of slocket\.all\.with\(\): did you mean 'timeout'/,
    })
  })

  test('as many locks are allowed as the engine has places', async () => {
    const crowded: Engine = { ...engine, capabilities: { ...engine.capabilities, places: 2 } }
    await (await slocket.all(['a', 'b', 'a'], { engine: crowded })).release()
    await assert.rejects(slocket.all(['a', 'b', 'c'], { engine: crowded }), {
      name: 'RangeError',
      message: /at most 2 locks, not 3/,
    })
  })

  test('arguments may be changed after the call', async () => {
    const holder = await slocket('b', { engine })
    const paths = ['a', 'b']
    const asking = slocket.all(paths, { engine })
    paths.length = 0
    await holder.release()
    const set = await asking
    assert.equal(set.locks.length, 2)
    await set.release()
  })
})

test('one lock of the set can be released alone', async () => {
  const engine = memory()
  const set = await slocket.all(['a', 'b'], { engine })
  await (set.locks[0] as Lock).release()
  assert.equal(set.held, false)
  await (await slocket.try('a', { engine }))!.release()
  assert.equal(await slocket.try('b', { engine }), null)
  await assert.rejects(slocket.all(['b', 'a'], { engine, timeout: 0 }), TIMEOUT)
  await set.release()
})

test('slocket.all rejects a callback', async () => {
  const all = slocket.all as (...given: unknown[]) => Promise<unknown>
  for (const given of [[{}, notCalled], [undefined, notCalled], [notCalled]]) {
    await assert.rejects(all([A], ...given), /^TypeError: slocket\.all\(\) takes no callback/)
  }
})
