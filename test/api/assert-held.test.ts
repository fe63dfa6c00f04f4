import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine, Grant } from '../../src/index.ts'
import { isSlocketError, memory, slocket, SlocketError } from '../../src/index.ts'

const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')

/** An engine whose only grant is a lease that runs out when the test says so. No timer tells of it. */
class Leasing implements Engine {
  readonly name = 'leasing'
  readonly capabilities = { ordered: true, shared: false, permits: false, recovered: false }
  readonly error = new SlocketError('ERR_SLOCKET_LOST', 'the lease ran out')
  isOver = false
  #onLost: ((error: Error) => void) | undefined

  acquire(): Promise<Grant> {
    const isHeld = (): boolean => {
      if (this.isOver) this.#onLost?.(this.error)
      return !this.isOver
    }
    return Promise.resolve({
      token: 1n,
      recovered: false,
      release: () => undefined,
      onLost: (listener) => (this.#onLost = listener),
      isHeld,
    })
  }

  query(): Promise<never> {
    throw new Error('not needed')
  }
}

describe('assertHeld', () => {
  test('throws nothing while the lock is held, and ERR_SLOCKET_LOST after its release', async () => {
    const lock = await slocket('lock', { engine: memory() })
    lock.assertHeld()
    await lock.release()
    assert.throws(() => lock.assertHeld(), isLost)
  })

  test('asks the engine, and throws the reason of the signal', async () => {
    const engine = new Leasing()
    const lock = await slocket('lock', { engine })
    const { signal } = lock
    lock.assertHeld()
    engine.isOver = true
    assert.equal(signal.aborted, false)
    assert.throws(
      () => lock.assertHeld(),
      (error) => error === engine.error,
    )
    assert.equal(signal.reason, engine.error)
  })

  test('held and signal ask the engine, too', async () => {
    for (const member of ['held', 'signal'] as const) {
      const engine = new Leasing()
      const lock = await slocket('lock', { engine })
      engine.isOver = true
      if (member === 'held') assert.equal(lock.held, false)
      else assert.equal(lock.signal.reason, engine.error)
    }
  })

  test('signal asks the engine each time it is read', async () => {
    const engine = new Leasing()
    const lock = await slocket('lock', { engine })
    lock.signal.throwIfAborted()
    engine.isOver = true
    assert.throws(
      () => lock.signal.throwIfAborted(),
      (error) => error === engine.error,
    )
  })
})
