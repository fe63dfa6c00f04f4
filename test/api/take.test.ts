import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { permitClaim } from '../../src/core/claim.ts'
import { refuseManyPermits } from '../../src/engines/local/windows/unsupported.ts'
import type { Engine } from '../../src/index.ts'
import { memory, slocket } from '../../src/index.ts'

/** One that gives one permit at a time. */
function withoutTake(): Engine {
  const engine = memory()
  return { ...engine, name: 'simple', capabilities: { ...engine.capabilities, take: undefined } }
}

describe('several permits at once', () => {
  test('an engine without `take` is not asked for several permits', async () => {
    const options = { engine: withoutTake(), permits: 3, take: 2 }
    const refused = {
      name: 'TypeError',
      message: "options.take must be 1: the engine 'simple' cannot give several permits at once",
    }
    const never = (): never => assert.fail('must not be called')
    await assert.rejects(slocket('lock', options), refused)
    await assert.rejects(slocket.try('lock', options), refused)
    await assert.rejects(slocket.with('lock', options, never), refused)
    await assert.rejects(slocket.with('lock', { ...options, reentrant: true }, never), refused)
    await assert.rejects(slocket.all(['lock'], options), refused)
    await assert.rejects(slocket.all.with(['lock'], options, never), refused)
    await (await slocket('lock', { ...options, take: 1 })).release()
  })

  test('on Windows, a request takes at most 100', () => {
    refuseManyPermits(permitClaim(1000, 100))
    assert.throws(() => refuseManyPermits(permitClaim(1000, 101)), RangeError)
  })
})
