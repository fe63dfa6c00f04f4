// slocket.all.with() with `reentrant`, if a lock of the set can no longer be shared with the enclosing call: it waits for its turn, or fails if it would wait forever.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Engine, Lock, LockSet, WithOptions } from '../../src/index.ts'
import { local, memory, slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { makeParent } from './run-child.ts'

const { lockPath, dispose } = makeParent()
after(dispose)

const [first, middle, last] = ['a', 'm', 'z'].map((name) => path.join(path.dirname(lockPath), name)) as [
  string,
  string,
  string,
]
const DEADLOCK = { code: 'ERR_SLOCKET_DEADLOCK' }
const notCalled = (): void => assert.fail('must not be called')
const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }

const areHeld = ({ locks }: LockSet): boolean[] => locks.map(({ held }) => held)
const tokensOf = ({ locks }: LockSet): bigint[] => locks.map(({ token }) => token)

for (const [name, open] of Object.entries(engines)) {
  describe(`a nested set, and a downgrade by the enclosing body: ${name}`, () => {
    const engine = open()
    const options = (more: WithOptions = {}): WithOptions => ({ engine, linger: 0, reentrant: true, ...more })
    const areFree = async (): Promise<boolean> => {
      const all = await Promise.all([first, middle, last].map((one) => slocket.query(one, { engine })))
      return all.every(({ held, pending }) => held.length + pending.length === 0)
    }
    const hold = (one: string): Promise<Lock> => slocket(one, { engine, linger: 0 })
    const isWaitedFor = async (one: string): Promise<boolean> =>
      (await slocket.query(one, { engine })).pending.length === 1

    /** So that the next nested call is made late in a turn of the event loop, and takes its first lock in the next one. */
    function passTheTurn(): void {
      for (let calls = 0; calls < 2; calls += 1) {
        // They lose the lock if it is downgraded: they have it already.
        slocket.with(first, options({ mode: 'shared' }), () => {}).catch(() => {})
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }
    }

    for (const index of [0, 1] as const) {
      test(`lock ${index} is downgraded before the call has taken a lock: it waits for its turn`, async () => {
        let nested!: Promise<bigint[]>
        const tokens = await slocket.all.with([first, last], options(), async (set) => {
          passTheTurn()
          nested = slocket.all.with([first, last], options(), (own) => {
            assert.deepEqual(areHeld(own), [true, true])
            return tokensOf(own)
          })
          await set.locks[index]!.downgrade()
          return tokensOf(set)
        })
        const own = await nested
        assert.ok(own.every((token, at) => token > tokens[at]!))
        assert.ok(await areFree())
      })
    }

    test('the lock is downgraded while the call waits for another lock, and the body ends: it waits for its turn', async () => {
      const busy = await hold(middle)
      let nested!: Promise<boolean[]>
      let isDowngraded = false
      let isSettled = false
      const around = slocket.all.with([first, last], options(), async ({ locks }) => {
        nested = slocket.all.with([first, middle, last], options(), areHeld)
        await until('it waits', () => isWaitedFor(middle))
        await locks[1]!.downgrade()
        isDowngraded = true
      })
      void around.then(() => (isSettled = true))
      await until('the lock is downgraded', () => isDowngraded)
      for (let turns = 0; turns < 5; turns += 1) await turn()
      assert.equal(isSettled, false)
      await busy.release()
      assert.deepEqual(await nested, [true, true, true])
      await around
      assert.ok(await areFree())
    })

    test('the lock is downgraded while the call waits for another lock, and the body waits for the call: it fails', async () => {
      const busy = await hold(middle)
      await slocket.all.with([first, last], options(), async ({ locks }) => {
        const nested = slocket.all.with([first, middle, last], options(), notCalled)
        await until('it waits', () => isWaitedFor(middle))
        await locks[1]!.downgrade()
        await busy.release()
        await assert.rejects(nested, DEADLOCK)
        assert.deepEqual(await slocket.query(middle, { engine }), { held: [], pending: [] })
        assert.equal(locks[0]!.held, true)
      })
      assert.ok(await areFree())
    })

    test('the lock was downgraded before the call, and the body ends: it waits for its turn', async () => {
      const busy = await hold(middle)
      let nested!: Promise<boolean[]>
      const around = slocket.all.with([first, last], options(), async ({ locks }) => {
        await locks[1]!.downgrade()
        nested = slocket.all.with([first, middle, last], options(), areHeld)
      })
      await until('it waits', () => isWaitedFor(middle))
      for (let turns = 0; turns < 5; turns += 1) await turn()
      await busy.release()
      assert.deepEqual(await nested, [true, true, true])
      await around
      assert.ok(await areFree())
    })

    test('the lock was downgraded before the call, and the body waits for the call: it fails', async () => {
      for (const timeout of [undefined, 60_000]) {
        await slocket.all.with([first, last], options(), async ({ locks }) => {
          await locks[1]!.downgrade()
          await assert.rejects(slocket.all.with([first, last], options({ timeout }), notCalled), DEADLOCK)
        })
      }
      assert.ok(await areFree())
    })

    test('a shared set runs under the downgraded lock', async () => {
      let nested!: Promise<bigint[]>
      const shared = options({ mode: 'shared' })
      const tokens = await slocket.all.with([first, last], options(), async (set) => {
        passTheTurn()
        nested = slocket.all.with([first, last], shared, tokensOf)
        await set.locks[0]!.downgrade()
        return tokensOf(set)
      })
      assert.deepEqual(await nested, tokens)
      assert.ok(await areFree())
    })

    test('if another nested call has downgraded its own lock, the set runs under the enclosing locks', async () => {
      let nested!: Promise<bigint[]>
      const tokens = await slocket.all.with([first, last], options(), async (set) => {
        await slocket.all.with([first, last], options(), async ({ locks }) => {
          passTheTurn()
          nested = slocket.all.with([first, last], options(), tokensOf)
          await locks[1]!.downgrade()
        })
        return tokensOf(set)
      })
      assert.deepEqual(await nested, tokens)
      assert.ok(await areFree())
    })

    test('a set of which the enclosing call has one lock waits for its turn', async () => {
      const busy = await hold(middle)
      let nested!: Promise<boolean[]>
      let isDowngraded = false
      const around = slocket.with(last, options(), async (lock) => {
        nested = slocket.all.with([middle, last], options(), areHeld)
        await until('it waits', () => isWaitedFor(middle))
        await lock.downgrade()
        isDowngraded = true
      })
      await until('the lock is downgraded', () => isDowngraded)
      await turn()
      await busy.release()
      assert.deepEqual(await nested, [true, true])
      await around
      assert.ok(await areFree())
    })

    for (const [ending, more, giveUp] of [
      ['times out', { timeout: 200 }, () => {}],
      ['is aborted', {}, (controller: AbortController) => controller.abort(new Error('stop'))],
    ] as const) {
      test(`a call that ${ending} while it waits for its turn keeps no lock`, async () => {
        const controller = new AbortController()
        const { signal } = controller
        let nested!: Promise<unknown>
        let reading!: Promise<Lock>
        await slocket.all.with([first, last], options(), async ({ locks }) => {
          passTheTurn()
          nested = slocket.all.with([first, last], options({ ...more, signal }), notCalled)
          nested.catch(() => {})
          await locks[1]!.downgrade()
          // Not awaited: the body ends before the nested call takes its first lock.
          reading = slocket(last, { engine, linger: 0, mode: 'shared' })
        })
        // The enclosing call has ended before.
        if (ending === 'is aborted') await until('it waits', () => isWaitedFor(last))
        giveUp(controller)
        await assert.rejects(nested, more.timeout === undefined ? { message: 'stop' } : { code: 'ERR_SLOCKET_TIMEOUT' })
        await (await reading).release()
        assert.ok(await areFree())
      })
    }

    test('locks that the call has acquired itself are free meanwhile, whatever atLeast says', async () => {
      const busy = await hold(middle)
      let isDowngraded = false
      let nested!: Promise<boolean[]>
      let next!: Promise<unknown>
      const steps: string[] = []
      const around = slocket.all.with([first, last], options(), async ({ locks }) => {
        nested = slocket.all.with([first, middle, last], options({ atLeast: 50 }), (set) => {
          steps.push('nested')
          return areHeld(set)
        })
        await until('it waits', () => isWaitedFor(middle))
        next = hold(middle).then((lock) => {
          steps.push('next')
          return lock.release()
        })
        await locks[1]!.downgrade()
        isDowngraded = true
      })
      await until('the lock is downgraded', () => isDowngraded)
      await turn()
      await busy.release()
      assert.deepEqual(await nested, [true, true, true])
      await Promise.all([around, next])
      assert.deepEqual(steps, ['next', 'nested'])
      assert.ok(await areFree())
    })
  })

  describe(`a call that is kept by a nested call: ${name}`, () => {
    const engine = open()
    const options = (more: WithOptions = {}): WithOptions => ({ engine, linger: 0, reentrant: true, ...more })
    const areFree = async (): Promise<boolean> => {
      const all = await Promise.all([first, middle, last].map((one) => slocket.query(one, { engine })))
      return all.every(({ held, pending }) => held.length + pending.length === 0)
    }

    /** Calls `body` in a nested call that has one lock of a set, whose own body has ended. */
    async function inKept(locks: readonly [string, string], body: (lock: Lock) => unknown): Promise<void> {
      let inner!: Promise<unknown>
      let end!: () => void
      const ended = new Promise<void>((resolve) => (end = resolve))
      const around = slocket.all.with(locks, options(), () => {
        inner = slocket.with(locks[0], options(), async (lock) => {
          await ended
          await body(lock)
        })
      })
      for (let turns = 0; turns < 3; turns += 1) await turn()
      end()
      await Promise.all([inner, around])
    }

    test('still holds its other locks: a request for them fails', async () => {
      for (const reentrant of [false, true]) {
        await inKept([first, last], () =>
          assert.rejects(slocket.with(last, options({ reentrant, timeout: 60_000 }), notCalled), DEADLOCK),
        )
        await inKept([first, last], () =>
          assert.rejects(slocket.all.with([first, last], options({ reentrant: true }), notCalled), DEADLOCK),
        )
      }
      assert.ok(await areFree())
    })

    test('releases them once the nested call has released its lock: a request for them waits for its turn', async () => {
      await inKept([first, last], async (lock) => {
        await lock.release()
        assert.equal(await slocket.with(last, options(), ({ held }) => held), true)
      })
      assert.ok(await areFree())
    })

    test('is kept through calls in between, until the request gives way', async () => {
      for (const waits of [false, true]) {
        let inner!: Promise<unknown>
        let nested!: Promise<unknown>
        let end!: () => void
        const ended = new Promise<void>((resolve) => (end = resolve))
        const around = slocket.all.with([middle, last], options(), () => {
          inner = slocket.all.with([first, middle], options(), async () => {
            await ended
            const busy = slocket.with(`${middle}2`, options(), () => turn())
            nested = slocket.all.with([first, `${middle}2`, last], options(), areHeld)
            nested.catch(() => {})
            if (waits) await assert.rejects(nested, DEADLOCK)
            void busy
          })
        })
        for (let turns = 0; turns < 3; turns += 1) await turn()
        end()
        await Promise.all([inner, around])
        if (!waits) assert.deepEqual(await nested, [true, true, true])
      }
      assert.ok(await areFree())
    })
  })
}
