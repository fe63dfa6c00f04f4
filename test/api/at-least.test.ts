// The option `atLeast`: a lock stays held for some time after its grant.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, describe, test } from 'node:test'
import type { Engine, Lock, SlocketOptions } from '../../src/index.ts'
import { local, LockManager, memory, slocket } from '../../src/index.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { until } from '../helpers/until.ts'
import { makeParent, runChild } from './run-child.ts'

const { lockPath, dispose } = makeParent()
after(dispose)

const engines: Readonly<Record<string, () => Engine>> = { local, memory: () => memory() }
const MS = 150

const notCalled = (): void => assert.fail('must not be called')

/** Longer than any test runs. */
const FOR_EVER = 1_000_000

for (const [name, open] of Object.entries(engines)) {
  describe(`atLeast: ${name}`, () => {
    const engine = open()
    const options = (atLeast: number, more: SlocketOptions = {}): SlocketOptions => ({
      engine,
      linger: 0,
      atLeast,
      ...more,
    })
    const isHeld = async (): Promise<boolean> => (await slocket.query(lockPath, { engine })).held.length > 0

    /** Each resolves when a lock, whose release it has called as soon as it could, is free. */
    const releases: Readonly<Record<string, () => Promise<unknown>>> = {
      'slocket()': async () => (await slocket(lockPath, options(MS))).release(),
      'slocket.try': async () => (await slocket.try(lockPath, options(MS)))!.release(),
      'await using': async () => (await slocket(lockPath, options(MS)))[Symbol.asyncDispose](),
      'slocket.with': async () => assert.equal(await slocket.with(lockPath, options(MS), () => 'done'), 'done'),
      'slocket.with, if the body fails': () =>
        assert.rejects(
          slocket.with(lockPath, options(MS), () => Promise.reject(new Error('mine'))),
          /^Error: mine$/,
        ),
      'slocket.all': async () => (await slocket.all([lockPath, `${lockPath}-2`], options(MS))).release(),
    }
    for (const [how, release] of Object.entries(releases)) {
      test(`the release resolves when atLeast has passed, and the lock is free then: ${how}`, async () => {
        const sinceMs = performance.now()
        let isReleased = false
        const settled = release().then(() => (isReleased = true))
        await until('it is held', isHeld)
        // Nobody has it before that.
        for (;;) {
          const wasReleased: boolean = isReleased
          const lock = await slocket.try(lockPath, { engine, linger: 0 })
          if (lock !== null) {
            // The grant came after `sinceMs`.
            assert.ok(performance.now() - sinceMs >= MS, `${performance.now() - sinceMs} ms`)
            await lock.release()
            break
          }
          assert.equal(wasReleased, false)
          await new Promise<void>((resolve) => setTimeout(resolve, 5))
        }
        await settled
        await (await slocket.try(lockPath, { engine, linger: 0 }))!.release()
      })
    }

    test('after the call of release, the caller no longer holds the lock; a second call returns the same promise', async () => {
      const lock = await slocket(lockPath, options(MS))
      const { signal } = lock
      const released = lock.release()
      assert.equal(lock.held, false)
      assert.throws(() => lock.assertHeld(), { code: 'ERR_SLOCKET_LOST' })
      assert.equal(lock.release(), released)
      assert.equal(await isHeld(), true)
      await released
      assert.equal(signal.aborted, false)
      assert.equal(await isHeld(), false)
    })

    test('a lock that was held for longer is free at once', async () => {
      const lock = await slocket(lockPath, options(10))
      await new Promise<void>((resolve) => setTimeout(resolve, 30))
      void lock.release()
      const next = await slocket.try(lockPath, { engine, linger: 0 })
      await next!.release()
    })

    test('has no effect on locks that slocket.all releases because it rejects', async () => {
      const [A, B] = [`${lockPath}-a`, `${lockPath}-b`]
      const holder = await slocket(B, { engine, linger: 0 })
      await assert.rejects(slocket.all([A, B], options(FOR_EVER, { timeout: 10 })), { code: 'ERR_SLOCKET_TIMEOUT' })
      await (await slocket.try(A, { engine, linger: 0 }))!.release()
      await holder.release()
    })

    test('has no effect on the enclosing lock if a slocket.all.with rejects', async () => {
      const [A, B] = [`${lockPath}-a`, `${lockPath}-b`]
      const holder = await slocket(B, { engine, linger: 0 })
      await slocket.with(A, { engine, linger: 0 }, async (lock) => {
        const nested = { ...options(FOR_EVER, { timeout: 10 }), reentrant: true }
        await assert.rejects(slocket.all.with([A, B], nested, notCalled), { code: 'ERR_SLOCKET_TIMEOUT' })
        void lock.release()
        await (await slocket.try(A, { engine, linger: 0 }))!.release()
      })
      await holder.release()
    })

    test('a nested slocket.all.with applies it to the enclosing lock', async () => {
      const sinceMs = performance.now()
      await slocket.with(lockPath, options(0), () =>
        slocket.all.with([lockPath], { ...options(MS), reentrant: true }, () => {}),
      )
      assert.ok(performance.now() - sinceMs >= MS)
    })

    test('a nested call applies it to the enclosing lock', async () => {
      const sinceMs = performance.now()
      await slocket.with(lockPath, options(0), () =>
        slocket.with(lockPath, { ...options(MS), reentrant: true }, () => {}),
      )
      assert.ok(performance.now() - sinceMs >= MS)
      assert.equal(await isHeld(), false)
      await slocket.with(lockPath, options(30), async () => {
        await slocket.with(lockPath, { ...options(2 * MS), reentrant: true }, () => {})
      })
      assert.ok(performance.now() - sinceMs >= 3 * MS)
    })
  })
}

test('a pending release resolves if the lock is lost', async () => {
  const engine = memory()
  for (const when of ['before', 'after']) {
    const lock = await slocket('lock', { engine, atLeast: FOR_EVER })
    const steal = (): Promise<unknown> => new LockManager({ engine }).request('lock', { steal: true }, () => {})
    if (when === 'before') await steal()
    const released = lock.release()
    if (when === 'after') await steal()
    await released
  }
})

test('a wrong value is an error', async () => {
  const engine = memory()
  for (const atLeast of [-1, NaN, 2 ** 31, Infinity])
    await assert.rejects(slocket('lock', { engine, atLeast }), {
      name: 'RangeError',
      message: /options\.atLeast must be from 0/,
    })
  for (const atLeast of ['1', null, 1n])
    await assert.rejects(slocket('lock', { engine, atLeast: atLeast as never }), {
      name: 'TypeError',
      message: /options\.atLeast must be a number/,
    })
  assert.throws(() => slocket.sync('/nowhere/lock', { atLeast: 1 } as object), /unknown option 'atLeast'.*it releases/)
  await assert.rejects(slocket.query('lock', { engine, atLeast: 1 } as object), /unknown option 'atLeast'/)
  await assert.rejects(slocket('lock', { engine, lockAtLeastFor: 1 } as object), /use 'atLeast'/)
})

describe('atLeast, and the end of the process', () => {
  const whenItExits = `
    const sinceMs = performance.now()
    let held = null
    process.on('exit', () => console.log(JSON.stringify([held?.held, performance.now() - sinceMs >= ${MS}])))`
  for (const [what, code, expected] of [
    ['a lock that is never released', `held = await slocket(lockPath, { atLeast: ${MS} })`, [true, true]],
    [
      'a release that nobody waits for',
      `held = await slocket(lockPath, { atLeast: ${MS} }); void held.release()`,
      [false, true],
    ],
  ] as const) {
    test(`keeps the process alive: ${what}`, async () => {
      const { code: status, stdout, stderr } = await runChild(`${whenItExits}\n${code}`, lockPath)
      assert.deepEqual([status, JSON.parse(stdout)], [0, expected], stderr)
      await (await slocket.try(lockPath, { linger: 0 }))!.release()
    })
  }

  test('a lost lock does not keep the process alive', async () => {
    const { code, stderr } = await runChild(
      `const engine = memory()
       const lock = await slocket('lock', { engine, atLeast: ${FOR_EVER} })
       await new LockManager({ engine }).request('lock', { steal: true }, () => {})`,
      lockPath,
    )
    assert.equal(code, 0, stderr)
  })

  test('the lock is free when the process is killed or exits', async () => {
    for (const end of ["process.kill(process.pid, 'SIGKILL')", 'process.exit(0)']) {
      await runChild(
        `const lock = await slocket(lockPath, { atLeast: ${FOR_EVER} }); void lock.release(); ${end}`,
        lockPath,
      )
      const next: Lock = await slocket(lockPath, { timeout: 60_000, linger: 0 })
      await next.release()
    }
  })

  for (const [when, code] of [
    ['before it', 'void (await slocket(lockPath, options)).release(); process.exit(0)'],
    ['before an uncaught exception', "void (await slocket(lockPath, options)).release(); throw new Error('mine')"],
    [
      'by a listener for exit',
      "const lock = await slocket(lockPath, options); process.on('exit', () => void lock.release()); process.exit(0)",
    ],
    [
      'by one of its bodies, before it',
      'void slocket.with(lockPath, options, () => {}); setTimeout(() => process.exit(0), 50)',
    ],
  ] as const) {
    test(`a released lock is free when the process exits, and leaves nothing behind: ${when}`, async () => {
      for (const linger of [0, 60_000]) {
        await runChild(`const options = { atLeast: ${FOR_EVER}, linger: ${linger} }; ${code}`, lockPath)
        assert.deepEqual(fs.existsSync(lockPath) ? ticketsIn(lockPath) : [], [])
        const next: Lock = await slocket(lockPath, { timeout: 60_000, linger: 0 })
        assert.equal(next.recovered, false)
        await next.release()
      }
    })
  }
})
