import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import { memory, slocket } from '../../src/index.ts'

describe('slocket.with', () => {
  test('resolves with the result of the body, whether it is a promise or not', async () => {
    const options = { engine: memory() }
    assert.equal(await slocket.with('lock', options, () => 42), 42)
    assert.equal(await slocket.with('lock', options, () => Promise.resolve('later')), 'later')
    assert.equal(await slocket.with('lock', options, () => undefined), undefined)
  })

  test('the body has the lock, which is held until the body ends', async () => {
    const options = { engine: memory() }
    let kept: Lock | undefined
    await slocket.with('lock', options, async (lock) => {
      kept = lock
      assert.equal(lock.name, 'lock')
      assert.equal(lock.held, true)
      assert.equal(lock.signal.aborted, false)
      await new Promise<void>((resolve) => setImmediate(resolve))
      assert.equal(await slocket.try('lock', options), null)
    })
    assert.equal(kept?.held, false)
    await (await slocket.try('lock', options))!.release()
  })

  test('rejects with the error of the body, and releases the lock', async () => {
    const options = { engine: memory() }
    for (const failure of [new Error('mine'), 'a string', undefined]) {
      const bodies = [
        () => {
          throw failure
        },
        () => Promise.reject(failure),
      ]
      for (const body of bodies) {
        let caught: { readonly error: unknown } | undefined
        await slocket.with('lock', options, body).catch((error: unknown) => (caught = { error }))
        assert.deepEqual(caught, { error: failure })
        await (await slocket.try('lock', options))!.release()
      }
    }
  })

  test('a body may release the lock itself', async () => {
    const options = { engine: memory() }
    let next: Promise<Lock> | undefined
    await slocket.with('lock', options, async (lock) => {
      await lock.release()
      next = slocket('lock', options)
      await next
    })
    const held = await next!
    assert.equal(held.held, true)
    assert.equal(await slocket.try('lock', options), null)
    await held.release()
  })

  test('the body is not called if the lock is not granted', async () => {
    const options = { engine: memory() }
    const held = await slocket('lock', options)
    await assert.rejects(
      slocket.with('lock', { ...options, timeout: 0 }, () => assert.fail('called')),
      { code: 'ERR_SLOCKET_TIMEOUT' },
    )
    await held.release()
  })

  test('simultaneous calls run one after the other', async () => {
    const options = { engine: memory() }
    const steps: string[] = []
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        slocket.with('lock', options, async () => {
          steps.push(`${name} in`)
          await new Promise<void>((resolve) => setImmediate(resolve))
          steps.push(`${name} out`)
        }),
      ),
    )
    assert.deepEqual(steps, ['a in', 'a out', 'b in', 'b out', 'c in', 'c out'])
  })
})
