import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Deadline, elapsedMs, readClocks } from '../../src/engines/deadline.ts'

const at = (monotonicMs: number, uptimeMs: number = monotonicMs): { monotonicMs: number; uptimeMs: number } => ({
  monotonicMs,
  uptimeMs,
})

describe('the deadline of a lease', () => {
  test('counts from the time when the request was sent, minus a margin of a tenth', () => {
    const deadline = new Deadline(at(1000), 10_000)
    assert.equal(deadline.remainingMs(at(1000)), 9000)
    assert.equal(deadline.remainingMs(at(10_000)), 0)
    assert.ok(deadline.remainingMs(at(10_001)) < 0)
  })

  test('the margin is at least half a second', () => {
    assert.equal(new Deadline(at(0), 2000).remainingMs(at(0)), 1500)
  })

  test('a renewal moves it, by the TTL that the server gave', () => {
    const deadline = new Deadline(at(0), 10_000)
    deadline.renew(at(3000), 20_000)
    assert.equal(deadline.remainingMs(at(3000)), 18_000)
  })

  test('of two clocks, the one that has advanced further counts', () => {
    assert.equal(elapsedMs(at(0, 0), at(100, 5000)), 5000)
    assert.equal(elapsedMs(at(0, 0), at(5000, 100)), 5000)
  })

  test('the wall clock has no effect', (context) => {
    const deadline = new Deadline(readClocks(), 10_000)
    context.mock.method(Date, 'now', () => 0)
    assert.ok(Math.abs(deadline.remainingMs() - 9000) < 5000)
  })
})
