// A body of slocket.with() that waited for the lock of its own call chain would wait forever: an error says so.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { AsyncResource } from 'node:async_hooks'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'
import type { Engine, Lock, SlocketOptions } from '../../src/index.ts'
import { local, memory, MemoryStore, slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { makeParent } from './run-child.ts'
import { NO_ACCESS, NO_LINKS } from '../helpers/windows.ts'

const { lockPath, dispose } = makeParent()
const before = process.cwd()
after(() => {
  process.chdir(before)
  dispose()
})

const DEADLOCK = { code: 'ERR_SLOCKET_DEADLOCK' }
const notCalled = (): void => assert.fail('must not be called')

const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }

for (const [name, open] of Object.entries(engines)) {
  describe(`slocket.with inside slocket.with on the same lock: ${name}`, () => {
    const engine = open()
    const options = (more: SlocketOptions = {}): SlocketOptions => ({ engine, linger: 0, ...more })

    /** What comes of `inner` inside the holds `outer`, one in the other. */
    async function nested(outer: readonly SlocketOptions[], inner: () => Promise<unknown>): Promise<unknown> {
      const [first, ...rest] = outer
      if (first === undefined) return await inner()
      return await slocket.with(lockPath, options(first), async () => {
        await turn()
        return await nested(rest, inner)
      })
    }

    const never: readonly (readonly [outer: readonly SlocketOptions[], inner: SlocketOptions])[] = [
      [[{}], {}],
      [[{}], { mode: 'shared' }],
      [[{ mode: 'shared' }], {}],
      [[{ mode: 'shared' }, { mode: 'shared' }], {}],
      [[{ permits: 1 }], { permits: 1 }],
      [[{ permits: 2 }, { permits: 2 }], { permits: 2 }],
      [[{ permits: 5, take: 3 }], { permits: 5, take: 3 }],
      [[{ permits: 5, take: 3 }], { permits: 3 }],
    ]
    for (const [outer, inner] of never) {
      test(`${JSON.stringify(inner)} inside ${JSON.stringify(outer)} is a deadlock, also with a timeout`, async () => {
        for (const timeout of [undefined, 60_000]) {
          const asking = nested(outer, () => slocket.with(lockPath, options({ ...inner, timeout }), notCalled))
          await assert.rejects(asking, DEADLOCK)
        }
        const asking = nested(outer, () => slocket.with(lockPath, options({ ...inner, timeout: 0 }), notCalled))
        await assert.rejects(asking, { code: 'ERR_SLOCKET_TIMEOUT' })
        const trying = nested(outer, () => slocket.try(lockPath, options(inner)))
        assert.equal(await trying, null)
        assert.deepEqual(await slocket.query(lockPath, { engine }), { held: [], pending: [] })
      })
    }

    test('a shared holder may share once more, unless another request waits in between', async () => {
      const shared = options({ mode: 'shared' })
      assert.equal(await slocket.with(lockPath, shared, () => slocket.with(lockPath, shared, () => 'done')), 'done')
      const controller = new AbortController()
      const { signal } = controller
      await slocket.with(lockPath, shared, async () => {
        const writer = slocket(lockPath, options({ signal, label: 'writer' }))
        writer.catch(() => {})
        await until('the writer waits', async () => (await slocket.query(lockPath, { engine })).pending.length === 1)
        await assert.rejects(slocket.with(lockPath, shared, notCalled), DEADLOCK)
        // With a timeout it waits: the writer may give up.
        const patient = slocket.with(lockPath, { ...shared, timeout: 60_000 }, () => 'done')
        await until('both wait', async () => (await slocket.query(lockPath, { engine })).pending.length === 2)
        controller.abort()
        assert.equal(await patient, 'done')
      })
    })

    test('a free permit is granted', async () => {
      const two = options({ permits: 2 })
      assert.equal(await slocket.with(lockPath, two, () => slocket.with(lockPath, two, () => 'done')), 'done')
    })

    test('is detected in functions that the body calls', async () => {
      const inner = async (): Promise<void> => {
        await turn()
        await new Promise<void>((resolve) => setTimeout(resolve, 1))
        await Promise.all([Promise.resolve(), slocket.with(lockPath, options(), notCalled)])
      }
      await assert.rejects(slocket.with(lockPath, options(), inner), DEADLOCK)
      const throughAnother = slocket.with(lockPath, options(), () => slocket.with(`${lockPath}2`, options(), inner))
      await assert.rejects(throughAnother, DEADLOCK)
      await assert.rejects(
        slocket.with(lockPath, options(), () => slocket.with(lockPath, options(), notCalled)),
        DEADLOCK,
      )
    })

    test('other locks, engines and call chains are not affected', async () => {
      const steps: string[] = []
      await slocket.with(lockPath, options(), async () => {
        await slocket.with(`${lockPath}2`, options(), () => steps.push('another lock'))
        await slocket.with(lockPath, { engine: memory() }, () => steps.push('another engine'))
      })
      await Promise.all(
        [1, 2].map((each) => slocket.with(lockPath, options(), () => turn().then(() => steps.push(`${each}`)))),
      )
      assert.deepEqual(steps, ['another lock', 'another engine', '1', '2'])
    })

    test('work that continues after the body has ended may take the lock', async () => {
      let detached!: Promise<unknown>
      let end!: () => void
      const ended = new Promise<void>((resolve) => (end = resolve))
      await slocket.with(lockPath, options(), () => {
        detached = ended.then(() => slocket.with(lockPath, options(), () => 'done'))
      })
      end()
      assert.equal(await detached, 'done')
    })

    test('a body that has released the lock may take it again', async () => {
      const again = slocket.with(lockPath, options(), async (lock) => {
        await lock.release()
        return await slocket.with(lockPath, options(), () => 'done')
      })
      assert.equal(await again, 'done')
    })

    test('a body may request the lock by slocket(), for after its end', async () => {
      let next!: Promise<Lock>
      await slocket.with(lockPath, options(), () => {
        next = slocket(lockPath, options())
      })
      await (await next).release()
    })

    test('other waiters are not affected', async () => {
      let wait!: Promise<unknown>
      const outside = (): void => {
        wait = slocket.with(lockPath, options(), () => 'done')
      }
      const timer = setInterval(() => {}, 1000)
      await new Promise<void>((resolve) => {
        process.nextTick(() => {
          outside()
          resolve()
        })
        void slocket.with(lockPath, options(), () => turn())
      })
      clearInterval(timer)
      assert.equal(await wait, 'done')
    })
  })
}

describe('a lock by another engine', () => {
  test('local() again, or with another access, is the same lock', { skip: NO_ACCESS }, async () => {
    const asked: readonly SlocketOptions[] = [{}, { access: 'user' }, { engine: local() }]
    for (const outer of asked) {
      for (const inner of asked) {
        await assert.rejects(
          slocket.with(lockPath, outer, () => slocket.with(lockPath, { ...inner, timeout: 60_000 }, notCalled)),
          DEADLOCK,
        )
      }
    }
  })

  test('memory() with the same store is the same lock', async () => {
    const store = new MemoryStore()
    const [outer, inner] = [{ engine: memory(store) }, { engine: memory(store), timeout: 60_000 }]
    await assert.rejects(
      slocket.with(lockPath, outer, () => slocket.with(lockPath, inner, notCalled)),
      DEADLOCK,
    )
    assert.equal(await slocket.with(lockPath, outer, () => slocket.with(lockPath, {}, () => 'done')), 'done')
  })
})

v8.setFlagsFromString('--expose-gc')
const collectGarbage = vm.runInNewContext('gc') as () => void

test('bodies that start each other do not keep ended ones in memory', async () => {
  const options = { engine: memory() }
  let kept = 0
  const registry = new FinalizationRegistry<undefined>(() => (kept -= 1))
  let end!: () => void
  // As long as a body runs anywhere, the asynchronous context stays in use.
  const long = slocket.with('long', options, () => new Promise<void>((resolve) => (end = resolve)))
  const most = 200
  await new Promise<void>((resolve, reject) => {
    const start = (left: number): void => {
      slocket
        .with(`lock-${left}`, options, async (lock) => {
          kept += 1
          registry.register(lock, undefined)
          if (left === 0) return resolve()
          // Before this body has ended; it ends while the other one runs.
          start(left - 1)
          await turn()
        })
        .catch(reject)
    }
    start(most)
  })
  await until('they are collected', async () => {
    collectGarbage()
    await turn()
    return kept < most / 4
  })
  end()
  await long
})

test('work that a body has started does not keep its locks in memory', async () => {
  const options = { engine: memory(), reentrant: true }
  let kept = 3
  const registry = new FinalizationRegistry<undefined>(() => (kept -= 1))
  const work: object[] = []
  await slocket.all.with(['one', 'other'], options, (set) => {
    work.push(new AsyncResource('work'))
    for (const lock of set.locks) registry.register(lock, undefined)
    return slocket.with('one', options, (lock) => {
      work.push(new AsyncResource('nested work'))
      registry.register(lock, undefined)
    })
  })
  await until('they are collected', async () => {
    collectGarbage()
    await turn()
    return kept === 0
  })
  assert.equal(work.length, 2)
})

describe('a lock by another name', () => {
  test('a relative path, or a path through a linked directory, is the same lock', { skip: NO_LINKS }, async () => {
    const parent = path.dirname(lockPath)
    fs.symlinkSync(parent, `${lockPath}-link`)
    process.chdir(parent)
    const names = [
      path.basename(lockPath),
      `./${path.basename(lockPath)}`,
      `${parent}/../${path.basename(parent)}/lock`,
    ]
    for (const name of [...names, path.join(`${lockPath}-link`, 'lock')]) {
      await assert.rejects(
        slocket.with(lockPath, () => slocket.with(name, notCalled)),
        DEADLOCK,
      )
      await assert.rejects(
        slocket.with(name, () => {
          process.chdir('/')
          return slocket.with(lockPath, notCalled).finally(() => process.chdir(parent))
        }),
        DEADLOCK,
      )
    }
  })
})
