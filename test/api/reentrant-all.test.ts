// slocket.all.with() with `reentrant`, from a body that doesn't wait for it: the enclosing call keeps all locks that it wants.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Engine, WithOptions } from '../../src/index.ts'
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
const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }

/** So that the next nested call is made late in a turn of the event loop, and its body called in the next one. */
function passTheTurn(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
}

for (const [name, open] of Object.entries(engines)) {
  describe(`a nested set of locks: ${name}`, () => {
    const engine = open()
    const options = (more: WithOptions = {}): WithOptions => ({ engine, linger: 0, reentrant: true, ...more })
    const areFree = async (): Promise<boolean> => {
      const all = await Promise.all([first, middle, last].map((one) => slocket.query(one, { engine })))
      return all.every(({ held, pending }) => held.length + pending.length === 0)
    }

    for (const isLate of [false, true]) {
      for (const microtasks of [0, 20]) {
        test(`runs if the enclosing body ends ${microtasks} microtasks after the call${isLate ? ', late in a turn' : ''}`, async () => {
          let nested!: Promise<string>
          await slocket.all.with([first, last], options(), async () => {
            for (let calls = 0; isLate && calls < 2; calls += 1) {
              void slocket.with(first, options(), () => {})
              passTheTurn()
            }
            nested = slocket.all.with([first, last], options(), () => 'nested')
            for (let count = 0; count < microtasks; count += 1) await Promise.resolve()
          })
          assert.equal(await nested, 'nested')
          assert.ok(await areFree())
        })
      }
    }

    test('runs if the enclosing body ends while it waits for another lock', async () => {
      const busy = await slocket(middle, { engine, linger: 0 })
      let nested!: Promise<number>
      let isSettled = false
      const around = slocket.all.with([first, last], options(), () => {
        nested = slocket.all.with(
          [first, middle, last],
          options(),
          ({ locks }) => locks.filter(({ held }) => held).length,
        )
      })
      void around.then(() => (isSettled = true))
      await until('it waits', async () => (await slocket.query(middle, { engine })).pending.length === 1)
      for (let turns = 0; turns < 5; turns += 1) await turn()
      assert.equal(isSettled, false)
      await busy.release()
      assert.equal(await nested, 3)
      await around
      assert.ok(await areFree())
    })

    test('that fails keeps no lock of the enclosing call', async () => {
      const busy = await slocket(middle, { engine, linger: 0 })
      let nested!: Promise<unknown>
      await slocket.all.with([first, last], options(), () => {
        nested = slocket.all.with([first, middle, last], options({ timeout: 20 }), () =>
          assert.fail('must not be called'),
        )
        nested.catch(() => {})
      })
      await assert.rejects(nested, { code: 'ERR_SLOCKET_TIMEOUT' })
      await busy.release()
      assert.ok(await areFree())
    })

    test('whose signal has aborted keeps no lock of the enclosing call', async () => {
      const reason = new Error('stop')
      const controller = new AbortController()
      let nested!: Promise<unknown>
      await slocket.all.with([first, last], options(), () => {
        nested = slocket.all.with([first, last], options({ signal: controller.signal }), () => {})
        controller.abort(reason)
        nested.catch(() => {})
      })
      await assert.rejects(nested, reason)
      assert.ok(await areFree())
    })

    test('a nested call runs under an outer lock if the inner one is released before its body is called', async () => {
      const shared = { mode: 'shared' } as const
      const result = await slocket.with(first, options(shared), async () => {
        return await slocket.with(first, { ...options(shared), reentrant: false, timeout: 60_000 }, async (inner) => {
          const waiting = slocket(first, { engine, linger: 0 })
          await until('it waits', async () => (await slocket.query(first, { engine })).pending.length === 1)
          for (let calls = 0; calls < 2; calls += 1) {
            slocket.with(first, options(shared), () => {}).catch(() => {})
            passTheTurn()
          }
          const nested = slocket.with(first, options(shared), () => 'nested')
          await inner.release()
          const said = await nested
          void waiting.then((lock) => lock.release())
          return said
        })
      })
      assert.equal(result, 'nested')
      await until('all have released', areFree)
    })
  })
}
