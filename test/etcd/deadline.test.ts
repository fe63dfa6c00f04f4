import assert from 'node:assert/strict'
import os from 'node:os'
import { describe, test } from 'node:test'
import { Deadline, elapsedMs, readClocks, readClocksAtMost } from '../../src/engines/deadline.ts'

const at = (monotonicMs: number, uptimeMs: number = monotonicMs): { monotonicMs: number; uptimeMs: number } => ({
  monotonicMs,
  uptimeMs,
})

describe('the deadline of a lease', () => {
  test('counts from when the request was sent, less a margin of a tenth', () => {
    const deadline = new Deadline(at(1000), 10_000)
    assert.equal(deadline.remainingMs(at(1000)), 9000)
    assert.equal(deadline.remainingMs(at(10_000)), 0)
    assert.ok(deadline.remainingMs(at(10_001)) < 0)
  })

  test('the margin is half a second at least', () => {
    assert.equal(new Deadline(at(0), 2000).remainingMs(at(0)), 1500)
  })

  test('a renewal moves it, with the time to live that the server gave', () => {
    const deadline = new Deadline(at(0), 10_000)
    deadline.renew(at(3000), 20_000)
    assert.equal(deadline.remainingMs(at(3000)), 18_000)
  })

  test('of two clocks the one counts by which more time has passed', () => {
    assert.equal(elapsedMs(at(0, 0), at(100, 5000)), 5000)
    assert.equal(elapsedMs(at(0, 0), at(5000, 100)), 5000)
  })

  test('a reading that may be too early is never too late, and seldom reads the uptime', (context) => {
    const { uptime } = os
    let ahead = 0
    const reading = context.mock.method(os, 'uptime', () => uptime() + ahead)
    readClocksAtMost()
    reading.mock.resetCalls()
    for (let round = 0; round < 100; round += 1) {
      const early = readClocksAtMost()
      ahead += 1
      const now = readClocks()
      assert.ok(early.monotonicMs <= now.monotonicMs && early.uptimeMs <= now.uptimeMs)
      assert.ok(elapsedMs(early, now) >= 1000 * ahead - 20)
    }
    // Those of `readClocks`, and few more: somebody may set the wall clock meanwhile.
    assert.ok(reading.mock.callCount() < 150)
  })

  test('the wall clock has no say', (context) => {
    const deadline = new Deadline(readClocks(), 10_000)
    context.mock.method(Date, 'now', () => 0)
    assert.ok(Math.abs(deadline.remainingMs() - 9000) < 5000)
  })
})
