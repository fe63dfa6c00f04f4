import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Lock } from '../../src/index.ts'
import { memory, slocket } from '../../src/index.ts'

describe('using', () => {
  test('await using releases at the end of the block', async () => {
    const options = { engine: memory() }
    let kept: Lock
    {
      await using lock = await slocket('lock', options)
      kept = lock
      assert.equal(lock.held, true)
      assert.equal(await slocket.try('lock', options), null)
    }
    assert.equal(kept.held, false)
    await (await slocket.try('lock', options))!.release()
  })

  test('using releases at the end of the block', async () => {
    const options = { engine: memory() }
    let kept: Lock
    {
      using lock = await slocket('lock', options)
      kept = lock
      assert.equal(lock.held, true)
    }
    assert.equal(kept.held, false)
    await (await slocket.try('lock', options))!.release()
  })

  test('both release when the block throws, and the error passes through', async () => {
    const options = { engine: memory() }
    const failure = new Error('mine')
    await assert.rejects(
      async () => {
        await using _lock = await slocket('lock', options)
        throw failure
      },
      (error) => error === failure,
    )
    await assert.rejects(
      async () => {
        using _lock = await slocket('lock', options)
        throw failure
      },
      (error) => error === failure,
    )
    await (await slocket.try('lock', options))!.release()
  })

  test('a lock that was released in the block is not released again', async () => {
    const options = { engine: memory() }
    let next: Promise<Lock> | undefined
    {
      await using lock = await slocket('lock', options)
      await lock.release()
      next = slocket('lock', options)
      await next
    }
    assert.equal((await next).held, true)
    assert.equal(await slocket.try('lock', options), null)
    await (await next).release()
  })

  test('await using accepts the null of a refused try', async () => {
    const options = { engine: memory() }
    await using held = await slocket('lock', options)
    {
      await using refused = await slocket.try('lock', options)
      assert.equal(refused, null)
    }
    assert.equal(held.held, true)
  })

  test('await using throws an error of the release; using does not', async () => {
    const failure = new Error('cannot release')
    const inner = memory()
    const engine = {
      ...inner,
      acquire: () =>
        Promise.resolve({ token: 1n, recovered: false, release: () => Promise.reject(failure), onLost: () => {} }),
    }
    await assert.rejects(
      async () => {
        await using _lock = await slocket('lock', { engine })
      },
      (error) => error === failure,
    )
    {
      using _lock = await slocket('lock', { engine })
    }
    await new Promise<void>((resolve) => setImmediate(resolve))
  })
})
