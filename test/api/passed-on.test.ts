// The methods of a lock work without the lock in front of them: `const { release } = lock`.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { isSlocketError, memory, slocket } from '../../src/index.ts'
import { makeParent } from './run-child.ts'

describe('detached methods', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)

  test('release and assertHeld work, each for its own lock', async () => {
    const engine = memory()
    const [{ release, assertHeld }, other] = [await slocket('one', { engine }), await slocket('other', { engine })]
    assertHeld()
    await Promise.resolve().then(release)
    assert.throws(assertHeld, (error) => isSlocketError(error, 'ERR_SLOCKET_LOST'))
    assert.equal(other.held, true)
    await (await slocket.try('one', { engine }))!.release()
    await other.release()
  })

  test('downgrade works', async () => {
    const engine = memory()
    const lock = await slocket('one', { engine })
    const { downgrade } = lock
    await downgrade()
    assert.equal(lock.mode, 'shared')
    await (await slocket.try('one', { engine, mode: 'shared' }))!.release()
    await lock.release()
  })

  test('a method is the same function each time it is read', async () => {
    const lock = await slocket('lock', { engine: memory() })
    assert.equal(lock.downgrade, lock.downgrade)
    assert.equal(lock.release, lock.release)
    assert.equal(lock.assertHeld, lock.assertHeld)
    await lock.release()
  })

  test('release of a slocket.sync lock works', () => {
    const { release } = slocket.sync(lockPath, { linger: 0 })
    release()
    const again = slocket.sync(lockPath, { linger: 0, timeout: 0 })
    release()
    assert.equal(again.held, true)
    again.release()
  })
})
