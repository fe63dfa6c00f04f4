/** What `lock.downgrade()` makes of what an engine says. What engines do is in the conformance suite. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Engine, Grant } from '../../src/index.ts'
import { isSlocketError, memory, slocket, SlocketError } from '../../src/index.ts'

/** An engine whose only grant is downgraded as the test says. */
class Downgrading implements Engine {
  readonly name = 'downgrading'
  readonly capabilities = { ordered: true, shared: true, permits: false, recovered: false, downgrade: true }
  readonly lost = new SlocketError('ERR_SLOCKET_LOST', 'gone')
  calls = 0
  #onLost: ((error: Error) => void) | undefined
  readonly #downgrade: (engine: Downgrading) => void | Promise<void>

  constructor(downgrade: (engine: Downgrading) => void | Promise<void>) {
    this.#downgrade = downgrade
  }

  acquire(): Promise<Grant> {
    return Promise.resolve({
      token: 1n,
      recovered: false,
      release: () => undefined,
      onLost: (listener) => (this.#onLost = listener),
      downgrade: () => {
        this.calls += 1
        return this.#downgrade(this)
      },
    })
  }

  lose(): void {
    this.#onLost?.(this.lost)
  }

  query(): Promise<never> {
    throw new Error('not needed')
  }
}

describe('downgrade', () => {
  test('has begun even if it fails, and may be called again', async () => {
    const unreachable = new SlocketError('ERR_SLOCKET_UNREACHABLE', 'no answer')
    const engine = new Downgrading(({ calls }) => {
      if (calls === 1) throw unreachable
      return calls === 2 ? Promise.reject(unreachable) : undefined
    })
    const lock = await slocket('lock', { engine })
    for (let times = 0; times < 2; times += 1) {
      await assert.rejects(lock.downgrade(), (error) => error === unreachable)
      assert.equal(lock.mode, 'shared')
      assert.equal(lock.held, true)
    }
    await lock.downgrade()
    await lock.downgrade()
    assert.equal(engine.calls, 3)
    await lock.release()
  })

  test('calls made meanwhile share one request to the engine', async () => {
    let end = (): void => {}
    const engine = new Downgrading(() => new Promise((resolve) => (end = resolve)))
    const lock = await slocket('lock', { engine })
    const calls = [lock.downgrade(), lock.downgrade()]
    assert.equal(lock.mode, 'shared')
    end()
    await Promise.all(calls)
    assert.equal(engine.calls, 1)
    await lock.release()
  })

  test('rejects if the lock is lost or released meanwhile', async () => {
    const losing = new Downgrading((engine) => engine.lose())
    const lost = await slocket('lock', { engine: losing })
    await assert.rejects(lost.downgrade(), (error) => error === losing.lost)
    const engine = new Downgrading(() => Promise.resolve())
    const released = await slocket('lock', { engine })
    const downgrading = released.downgrade()
    await released.release()
    await assert.rejects(downgrading, (error) => isSlocketError(error, 'ERR_SLOCKET_LOST'))
  })

  test('rejects if the engine has no downgrade, and changes nothing', async () => {
    const { acquire, ...rest } = memory()
    const engine: Engine = {
      ...rest,
      async acquire(resource, request) {
        const grant = (await acquire(resource, request))!
        const { token, recovered } = grant
        return { token, recovered, release: () => grant.release(), onLost: (listener) => grant.onLost(listener) }
      },
    }
    const lock = await slocket('lock', { engine })
    await assert.rejects(lock.downgrade(), (error) => isSlocketError(error, 'ERR_SLOCKET_NO_DOWNGRADE'))
    assert.equal(lock.mode, 'exclusive')
    lock.assertHeld()
  })
})
