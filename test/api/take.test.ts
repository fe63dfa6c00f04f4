import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { permitClaim } from '../../src/core/claim.ts'
import type { Claim } from '../../src/core/claim.ts'
import type { Ticket } from '../../src/core/ticket.ts'
import { refuseOtherNumber, refuseSeveralPermits } from '../../src/engines/local/windows/unsupported.ts'
import type { Engine } from '../../src/index.ts'
import { local, memory, slocket } from '../../src/index.ts'

/** One that gives one permit at a time. */
function withoutTake(): Engine {
  const engine = memory()
  return { ...engine, name: 'simple', capabilities: { ...engine.capabilities, take: undefined } }
}

describe('several permits at once', () => {
  test('an engine that cannot give them is not asked for them', async () => {
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

  test('there are none on Windows, and all say the same number', () => {
    const { platform } = process
    try {
      Object.defineProperty(process, 'platform', { value: 'win32' })
      assert.equal(local().capabilities.take, false)
    } finally {
      Object.defineProperty(process, 'platform', { value: platform })
    }
    assert.equal(local().capabilities.take, platform !== 'win32')
    assert.throws(() => refuseSeveralPermits(permitClaim(3, 2)), TypeError)
    refuseSeveralPermits(permitClaim(3))
    const ticket = (claim: Claim, live = true): Ticket => ({ id: 'a', claim, live, joining: false })
    const [own, other] = [ticket(permitClaim(3)), ticket(permitClaim(4))]
    assert.throws(() => refuseOtherNumber(own, [other, own]), { code: 'ERR_SLOCKET_CLAIM_MISMATCH' })
    // It may be one of a process that has died.
    refuseOtherNumber(own, [ticket(permitClaim(4), false), own])
    refuseOtherNumber(own, [ticket(permitClaim(3)), own])
  })
})
