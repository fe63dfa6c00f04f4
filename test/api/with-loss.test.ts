// slocket.with() tells its caller if the lock was lost while the body ran: what the body did may not have been alone.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, describe, test } from 'node:test'
import type { Engine } from '../../src/index.ts'
import { isSlocketError, LockManager, memory, slocket, SlocketError } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { makeParent } from './run-child.ts'
import { NO_REMOVAL } from '../helpers/windows.ts'

const { lockPath, dispose } = makeParent()
after(dispose)

/** Takes the lock away from its holder. */
async function steal(engine: Engine): Promise<void> {
  await new LockManager({ engine }).request('lock', { steal: true }, () => {})
}

/** The error of `with`, whose body gives `result` after the loss. */
async function errorOf(running: Promise<unknown>): Promise<SlocketError> {
  const error = await running.then(
    () => assert.fail('it resolved'),
    (reason: unknown) => reason,
  )
  assert.ok(isSlocketError(error, 'ERR_SLOCKET_LOST'), String(error))
  return error
}

describe('slocket.with, if the lock is lost while the body runs', () => {
  test('rejects with the lost lock, the reason, and the result of the body', async () => {
    for (const result of ['done', undefined, { deep: [1] }]) {
      const engine = memory()
      let reason: unknown
      const error = await errorOf(
        slocket.with('lock', { engine }, async (lock) => {
          await steal(engine)
          reason = lock.signal.reason
          return result
        }),
      )
      assert.match(error.message, /^the lock 'lock' was lost while the body ran: /)
      assert.equal(error.cause, reason)
      assert.ok('result' in error)
      assert.equal(error.result, result)
    }
  })

  test('this holds for each form of the call', { skip: NO_REMOVAL }, async () => {
    await errorOf(
      slocket.with(lockPath, async (lock) => {
        fs.rmSync(lockPath, { recursive: true })
        await until('the lock is lost', () => !lock.held)
      }),
    )
  })

  test('checks once at the end, even if no loss was reported', async () => {
    let listener!: (error: Error) => void
    let isLost = false
    const reason = new SlocketError('ERR_SLOCKET_LOST', 'it has run out')
    const engine: Engine = {
      ...memory(),
      acquire: () =>
        Promise.resolve({
          token: 1n,
          recovered: false,
          release: () => assert.fail('a lost lock is not released'),
          onLost: (tell) => (listener = tell),
          isHeld: () => {
            if (isLost) listener(reason)
            return !isLost
          },
        }),
    }
    const error = await errorOf(slocket.with('lock', { engine }, () => (isLost = true)))
    assert.equal(error.cause, reason)
  })

  test('rejects with the error of the body, if there is one', async () => {
    const engine = memory()
    for (const own of [new Error('mine'), undefined]) {
      const running = slocket.with('lock', { engine }, async () => {
        await steal(engine)
        throw own
      })
      await assert.rejects(running, (error) => error === own)
    }
    let reason: unknown
    const running = slocket.with('lock', { engine }, async (lock) => {
      await steal(engine)
      reason = lock.signal.reason
      lock.signal.throwIfAborted()
    })
    await assert.rejects(running, (error) => error === reason)
  })

  test('a lock that the body has released is not lost', async () => {
    const engine = memory()
    const result = await slocket.with('lock', { engine }, async (lock) => {
      await lock.release()
      await steal(engine)
      return 'done'
    })
    assert.equal(result, 'done')
  })

  test('a lock that the body releases after the loss is lost', async () => {
    const engine = memory()
    await errorOf(
      slocket.with('lock', { engine }, async (lock) => {
        await steal(engine)
        await lock.release()
      }),
    )
  })
})

test('a failed release does not hide the error of the body', async () => {
  const engine: Engine = {
    ...memory(),
    acquire: () =>
      Promise.resolve({
        token: 1n,
        recovered: false,
        release: () => Promise.reject(new SlocketError('ERR_SLOCKET_NOT_RELEASED', 'no')),
        onLost: () => {},
      }),
  }
  const own = new Error('mine')
  const failing = slocket.with('lock', { engine }, () => Promise.reject(own))
  await assert.rejects(failing, (error) => error === own)
  await assert.rejects(
    slocket.with('lock', { engine }, () => 1),
    { code: 'ERR_SLOCKET_NOT_RELEASED' },
  )
})
