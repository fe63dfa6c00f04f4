// slocket.with() with `reentrant`: a call from the body of another one runs under the lock that this one holds.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import diagnostics from 'node:diagnostics_channel'
import type { Engine, Lock, WithOptions } from '../../src/index.ts'
import { isSlocketError, local, LockManager, memory, MemoryStore, slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { makeParent } from './run-child.ts'

const { lockPath, dispose } = makeParent()
const before = process.cwd()
after(() => {
  process.chdir(before)
  dispose()
})

const DEADLOCK = { code: 'ERR_SLOCKET_DEADLOCK' }
const LOST = { code: 'ERR_SLOCKET_LOST' }
const notCalled = (): void => assert.fail('must not be called')

const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }

for (const [name, open] of Object.entries(engines)) {
  describe(`a reentrant call: ${name}`, () => {
    const engine = open()
    const options = (more: WithOptions = {}): WithOptions => ({ engine, linger: 0, reentrant: true, ...more })
    const isFree = async (): Promise<boolean> => {
      const { held, pending } = await slocket.query(lockPath, { engine })
      return held.length + pending.length === 0
    }

    const compatible: readonly (readonly [outer: WithOptions, inner: WithOptions])[] = [
      [{}, {}],
      [{}, { mode: 'shared' }],
      [{ mode: 'shared' }, { mode: 'shared' }],
      [{ permits: 1 }, { permits: 1 }],
      [{ permits: 2 }, { permits: 2 }],
      [{ permits: 2 }, { permits: 3 }],
      [
        { permits: 5, take: 3 },
        { permits: 5, take: 2 },
      ],
    ]
    for (const [outer, inner] of compatible) {
      test(`${JSON.stringify(inner)} inside ${JSON.stringify(outer)} runs under the enclosing lock, and releases nothing`, async () => {
        const result = await slocket.with(lockPath, options(outer), async (lock) => {
          await turn()
          const deep = await slocket.with(lockPath, options(inner), async (nested) => {
            assert.notEqual(nested, lock)
            assert.deepEqual([nested.name, nested.mode, nested.held], [lockPath, inner.mode ?? 'exclusive', true])
            assert.equal(nested.token, lock.token)
            assert.equal((await slocket.query(lockPath, { engine })).held.length, 1)
            const deeper = await slocket.with(lockPath, options(inner), (deepest) => deepest.held)
            assert.deepEqual([deeper, nested.held], [true, true])
            await nested.release()
            assert.deepEqual([nested.held, lock.held], [false, true])
            return nested
          })
          assert.deepEqual([deep.held, deep.signal.aborted, lock.held], [false, false, true])
          assert.equal((await slocket.query(lockPath, { engine })).held.length, 1)
          return 'done'
        })
        assert.equal(result, 'done')
        assert.ok(await isFree())
      })
    }

    test('an exclusive call inside a shared one is a deadlock', async () => {
      await slocket.with(lockPath, options({ mode: 'shared' }), () =>
        assert.rejects(slocket.with(lockPath, options({ timeout: 60_000 }), notCalled), DEADLOCK),
      )
    })

    test('a claim that does not match is an error', async () => {
      await slocket.with(lockPath, options({ permits: 2 }), () =>
        assert.rejects(slocket.with(lockPath, options(), notCalled), {
          code: 'ERR_SLOCKET_CLAIM_MISMATCH',
        }),
      )
    })

    test('a call that takes more permits, or allows fewer, waits for them', async () => {
      for (const inner of [
        { permits: 5, take: 4 },
        { permits: 1, take: 1 },
      ]) {
        await slocket.with(lockPath, options({ permits: 5, take: 3 }), () =>
          assert.rejects(slocket.with(lockPath, options({ ...inner, timeout: 60_000 }), notCalled), DEADLOCK),
        )
      }
      const held = await slocket.with(lockPath, options({ permits: 5, take: 2 }), () =>
        slocket.with(
          lockPath,
          options({ permits: 5, take: 3 }),
          async () => (await slocket.query(lockPath, { engine })).held,
        ),
      )
      assert.deepEqual(
        held.map(({ take }) => take),
        [2, 3],
      )
    })

    test('without the option it is a deadlock, also inside a nested call', async () => {
      await slocket.with(lockPath, options(), () =>
        slocket.with(lockPath, options(), () =>
          assert.rejects(slocket.with(lockPath, options({ reentrant: false, timeout: 60_000 }), notCalled), DEADLOCK),
        ),
      )
    })

    test('takes no permit: the last free one is granted to another request', async () => {
      const two = options({ permits: 2 })
      const result = await slocket.with(lockPath, two, () =>
        slocket.with(lockPath, two, () =>
          slocket.with(lockPath, { ...two, reentrant: false, timeout: 60_000 }, async () => {
            assert.equal((await slocket.query(lockPath, { engine })).held.length, 2)
            return 'done'
          }),
        ),
      )
      assert.equal(result, 'done')
    })

    test('is granted before other waiters', async () => {
      const steps: string[] = []
      let waiting!: Promise<unknown>
      await slocket.with(lockPath, options(), async () => {
        waiting = slocket(lockPath, options({ reentrant: undefined })).then((lock) => {
          steps.push('other')
          return lock.release()
        })
        await until('it waits', async () => (await slocket.query(lockPath, { engine })).pending.length === 1)
        await slocket.with(lockPath, options(), () => steps.push('nested'))
      })
      await waiting
      assert.deepEqual(steps, ['nested', 'other'])
    })

    test('waits its turn outside of a body', async () => {
      const steps: string[] = []
      const body = (own: string) => async (): Promise<void> => {
        steps.push(`${own} in`)
        await turn()
        steps.push(`${own} out`)
      }
      await Promise.all(['a', 'b'].map((own) => slocket.with(lockPath, options(), body(own))))
      assert.deepEqual(steps, ['a in', 'a out', 'b in', 'b out'])
    })

    test('waits its turn after the enclosing body has ended or has released its lock', async () => {
      let detached!: Promise<unknown>
      let end!: () => void
      const ended = new Promise<void>((resolve) => (end = resolve))
      await slocket.with(lockPath, options(), async (lock) => {
        detached = ended.then(() =>
          slocket.with(lockPath, options(), async (own) => {
            assert.notEqual(own.token, lock.token)
            return (await slocket.query(lockPath, { engine })).held.length
          }),
        )
      })
      const holder = await slocket(lockPath, { engine, linger: 0 })
      end()
      await until('it waits', async () => (await slocket.query(lockPath, { engine })).pending.length === 1)
      await holder.release()
      assert.equal(await detached, 1)
      await slocket.with(lockPath, options(), async (lock) => {
        await lock.release()
        await slocket.with(lockPath, options(), (own) => assert.notEqual(own.token, lock.token))
      })
    })

    test('the enclosing call releases the lock only after nested calls that it did not await', async () => {
      for (const ending of ['returns', 'throws']) {
        let end!: () => void
        let detached!: Promise<unknown>
        const around = slocket.with(lockPath, options(), () => {
          detached = slocket.with(lockPath, options(), async (nested) => {
            await new Promise<void>((resolve) => (end = resolve))
            nested.assertHeld()
            return 'nested'
          })
          if (ending === 'throws') throw new Error('mine')
        })
        const settled = around.then(
          () => 'returns',
          () => 'throws',
        )
        let isSettled = false
        void settled.then(() => (isSettled = true))
        await until('the nested body runs', () => end !== undefined)
        for (let turns = 0; turns < 5; turns += 1) await turn()
        assert.equal(isSettled, false)
        assert.equal(await slocket.try(lockPath, { engine }), null)
        end()
        assert.equal(await detached, 'nested')
        assert.equal(await settled, ending)
        assert.ok(await isFree())
      }
    })

    test('this holds for nested calls made late in a turn of the event loop, whose bodies are called in the next turn', async () => {
      let end!: () => void
      let detached!: Promise<unknown>
      const around = slocket.with(lockPath, options(), () => {
        for (let calls = 0; calls < 3; calls += 1) {
          detached = slocket.with(lockPath, options(), async (nested) => {
            if (calls === 2) await new Promise<void>((resolve) => (end = resolve))
            nested.assertHeld()
            return (await slocket.query(lockPath, { engine })).held.length
          })
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
        }
      })
      let isSettled = false
      void around.then(() => (isSettled = true))
      await until('the last nested body runs', () => end !== undefined)
      for (let turns = 0; turns < 5; turns += 1) await turn()
      assert.equal(isSettled, false)
      end()
      assert.equal(await detached, 1)
      await around
      assert.ok(await isFree())
    })

    for (const [what, giveUp] of Object.entries({
      releases: (lock: Lock) => lock.release(),
      downgrades: (lock: Lock) => lock.downgrade(),
    })) {
      test(`if the outer body ${what} the lock before the body of such a call has begun, the call waits for its turn`, async () => {
        let detached: Promise<bigint> | undefined
        const token = await slocket.with(lockPath, options(), async (lock) => {
          for (let calls = 0; calls < 3; calls += 1) {
            // The first two lose the lock: they have it already.
            detached?.catch(() => {})
            detached = slocket.with(lockPath, options(), (nested) => {
              nested.assertHeld()
              return nested.token
            })
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
          }
          await giveUp(lock)
          return lock.token
        })
        assert.ok((await detached!) > token)
        assert.ok(await isFree())
      })
    }

    test('this holds at any depth, and for nested bodies that released their own lock object', async () => {
      let end!: () => void
      let deepest!: Promise<unknown>
      let middle!: Promise<unknown>
      const around = slocket.with(lockPath, options(), () => {
        middle = slocket.with(lockPath, options(), async (nested) => {
          const started = new Promise<void>((resolve) => {
            deepest = slocket.with(lockPath, options(), async (lock) => {
              resolve()
              await new Promise<void>((done) => (end = done))
              lock.assertHeld()
            })
          })
          await started
          await nested.release()
        })
      })
      await until('the deepest body runs', () => end !== undefined)
      for (let turns = 0; turns < 5; turns += 1) await turn()
      assert.equal(await slocket.try(lockPath, { engine }), null)
      end()
      await Promise.all([deepest, middle, around])
      assert.ok(await isFree())
    })

    test('a nested call loses the lock if the enclosing body releases it', async () => {
      let release!: () => Promise<void>
      let running!: Promise<unknown>
      await slocket.with(lockPath, options(), async (lock) => {
        release = () => lock.release()
        running = slocket.with(lockPath, options(), async (nested) => {
          await release()
          assert.equal(nested.held, false)
          assert.ok(isSlocketError(nested.signal.reason, 'ERR_SLOCKET_LOST'))
          assert.throws(() => nested.assertHeld(), LOST)
          return 'done'
        })
        await assert.rejects(running, { ...LOST, message: /was released by the body of the call around$/ })
      })
      assert.ok(await isFree())
    })

    test('signals of nested calls abort at once if the enclosing body releases the lock', async () => {
      const reasons: unknown[] = []
      await slocket.with(lockPath, options(), async (lock) => {
        let again: Promise<void> | undefined
        const body = (nested: Lock): Promise<void> =>
          new Promise((resolve) => {
            nested.signal.addEventListener('abort', () => {
              reasons.push(nested.signal.reason)
              again ??= lock.release()
              resolve()
            })
          })
        const middle = slocket.with(lockPath, options(), async (nested) => {
          const deepest = slocket.with(lockPath, options(), body)
          await Promise.all([assert.rejects(deepest, LOST), body(nested)])
        })
        const ended = assert.rejects(middle, LOST)
        for (let turns = 0; turns < 5; turns += 1) await turn()
        const released = lock.release()
        assert.equal(reasons.length, 2)
        assert.ok(reasons.every((reason) => isSlocketError(reason, 'ERR_SLOCKET_LOST')))
        assert.equal(again, released)
        await released
        await ended
      })
      assert.ok(await isFree())
    })

    test('an aborted signal and wrong options reject', async () => {
      const reason = new Error('mine')
      await slocket.with(lockPath, options(), async (lock) => {
        const asking = slocket.with(lockPath, options({ signal: AbortSignal.abort(reason) }), notCalled)
        await assert.rejects(asking, (error) => error === reason)
        assert.equal(lock.held, true)
        await assert.rejects(slocket.with(lockPath, options({ timeout: -1 }), notCalled), RangeError)
        await assert.rejects(slocket.with(lockPath, options({ reentrant: 1 as never }), notCalled), TypeError)
      })
    })

    test('a loop of nested calls lets the event loop turn', async () => {
      await slocket.with(lockPath, options(), async () => {
        let isOver = false
        setTimeout(() => (isOver = true), 1)
        // Ended by the time limit of the test, otherwise.
        while (!isOver) await slocket.with(lockPath, options(), () => {})
      })
    })

    test('slocket.all.with uses the locks of the enclosing body, and acquires the others', async () => {
      const other = `${lockPath}-other`
      await slocket.with(lockPath, options(), async (lock) => {
        await slocket.all.with([other, lockPath], options(), async (set) => {
          assert.equal(set.locks[1]!.token, lock.token)
          assert.equal(await slocket.try(other, { engine }), null)
          assert.equal((await slocket.query(lockPath, { engine })).held.length, 1)
          await slocket.with(other, options(), (nested) => assert.equal(nested.token, set.locks[0]!.token))
        })
        assert.deepEqual(await slocket.query(other, { engine }), { held: [], pending: [] })
        assert.equal(lock.held, true)
      })
      await slocket.all.with([other, lockPath], options(), async (set) => {
        for (const [index, one] of [other, lockPath].entries()) {
          await slocket.with(one, options(), (nested) => assert.equal(nested.token, set.locks[index]!.token))
        }
        assert.equal(set.held, true)
      })
      assert.ok(await isFree())
    })
  })
}

describe('a reentrant call, if the lock is lost', () => {
  test('a nested call is notified, and rejects with the result of its body; so does the enclosing call', async () => {
    const engine = memory()
    const options = { engine, reentrant: true }
    const reasons: unknown[] = []
    const around = slocket.with('lock', options, async (lock) => {
      const nested = await slocket
        .with('lock', options, async (inner) => {
          const { signal } = inner
          await new LockManager({ engine }).request('lock', { steal: true }, () => {})
          reasons.push(lock.signal.reason, signal.reason)
          assert.equal(signal.aborted, true)
          return 'inner'
        })
        .catch((error: unknown) => error)
      assert.ok(isSlocketError(nested, 'ERR_SLOCKET_LOST'), String(nested))
      assert.equal(nested.result, 'inner')
      await slocket.with('lock', options, (own) => assert.equal(own.held, true))
      return 'outer'
    })
    const error = await around.then(notCalled, (reason: unknown) => reason)
    assert.ok(isSlocketError(error, 'ERR_SLOCKET_LOST'), String(error))
    assert.equal(error.result, 'outer')
    assert.equal(reasons[0], reasons[1])
  })
})

describe('a reentrant call, by another engine or name', () => {
  test('local() again, and memory() with the same store, run under the same lock', async () => {
    const store = new MemoryStore()
    const pairs: readonly (readonly [WithOptions, WithOptions])[] = [
      [{}, { engine: local() }],
      [{ engine: memory(store) }, { engine: memory(store) }],
    ]
    for (const [outer, inner] of pairs) {
      await slocket.with(lockPath, outer, (lock) =>
        slocket.with(lockPath, { ...inner, reentrant: true, timeout: 60_000 }, ({ token }) =>
          assert.equal(token, lock.token),
        ),
      )
    }
    await slocket.with(lockPath, (lock) =>
      slocket.with(lockPath, { engine: memory(store), reentrant: true }, ({ token }) =>
        assert.notEqual(token, lock.token),
      ),
    )
  })

  test('a relative path runs under the same lock', async () => {
    process.chdir(path.dirname(lockPath))
    await slocket.with(lockPath, (lock) =>
      slocket.with('./lock', { reentrant: true, timeout: 60_000 }, (nested) => {
        assert.deepEqual([nested.name, nested.token], ['./lock', lock.token])
      }),
    )
    process.chdir(before)
  })
})

test('nested calls publish nothing on the diagnostics channels', async () => {
  const told: string[] = []
  const listeners = ['slocket:grant', 'slocket:release', 'slocket:lost'].map((channel) => {
    const listener = (): void => void told.push(channel)
    diagnostics.subscribe(channel, listener)
    return () => diagnostics.unsubscribe(channel, listener)
  })
  const options = { engine: memory(), reentrant: true }
  await slocket.with('lock', options, () => slocket.with('lock', options, () => {}))
  for (const stop of listeners) stop()
  assert.deepEqual(told, ['slocket:grant', 'slocket:release'])
})

test('a nested call is notified by lock.wanted', async () => {
  const engine = memory()
  const options = { engine, reentrant: true }
  let waiting!: Promise<Lock>
  await slocket.with('lock', options, () =>
    slocket.with('lock', options, async ({ wanted }) => {
      assert.equal(wanted.aborted, false)
      waiting = slocket('lock', { engine })
      await until('it is wanted', () => wanted.aborted)
    }),
  )
  await (await waiting).release()
})
