import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import type * as index from '../../src/index.ts'
import slocketDefault, {
  isSlocketError,
  local,
  Lock,
  LockManager,
  locks,
  memory,
  MemoryStore,
  slocket,
  SlocketError,
} from '../../src/index.ts'

const INDEX = new URL('../../src/index.js', import.meta.url).href

describe('exports', () => {
  test('the default export and the named one are the same function', async () => {
    assert.equal(slocketDefault, slocket)
    const module = (await import(INDEX)) as typeof index
    assert.equal(module.default, slocket)
    assert.equal(module.slocket, slocket)
  })

  test('require gives the function itself, with the named exports on it', () => {
    const required = createRequire(import.meta.url)('../../src/index.js') as Record<string, unknown>
    assert.equal(required, slocket)
    const named = {
      slocket,
      default: slocket,
      isSlocketError,
      local,
      Lock,
      LockManager,
      locks,
      memory,
      MemoryStore,
      SlocketError,
    }
    for (const [name, value] of Object.entries(named)) assert.equal(required[name], value, name)
  })

  test('a lock is a Lock', async () => {
    const lock = await slocket('lock', { engine: memory() })
    assert.ok(lock instanceof Lock)
    await lock.release()
  })

  test('two engines over one store are two clients of the same locks', async () => {
    const store = new MemoryStore()
    const lock = await slocket('lock', { engine: memory(store) })
    assert.equal(await slocket.try('lock', { engine: memory(store) }), null)
    await (await slocket('lock', { engine: memory() })).release()
    await lock.release()
  })
})
