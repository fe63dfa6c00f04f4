import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as index from '../../src/index.ts'
import slocketDefault, { Lock, memory, MemoryStore, slocket } from '../../src/index.ts'

describe('exports', () => {
  test('the default export and the named export are the same function', () => {
    assert.equal(slocketDefault, slocket)
    assert.equal(index.default, slocket)
    assert.equal(index.slocket, slocket)
  })

  test('a lock is a Lock', async () => {
    const lock = await slocket('lock', { engine: memory() })
    assert.ok(lock instanceof Lock)
    await lock.release()
  })

  test('two engines with one store are two clients of the same locks', async () => {
    const store = new MemoryStore()
    const lock = await slocket('lock', { engine: memory(store) })
    assert.equal(await slocket.try('lock', { engine: memory(store) }), null)
    await (await slocket('lock', { engine: memory() })).release()
    await lock.release()
  })
})
