import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type * as index from '../../src/index.ts'
import slocketDefault, { Lock, memory, MemoryStore, slocket } from '../../src/index.ts'

const INDEX = new URL('../../src/index.js', import.meta.url).href

describe('exports', () => {
  test('the default export and the named export are the same function', async () => {
    assert.equal(slocketDefault, slocket)
    const module = (await import(INDEX)) as typeof index
    assert.equal(module.default, slocket)
    assert.equal(module.slocket, slocket)
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
