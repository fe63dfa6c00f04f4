import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareWithUptime, readClock } from '../../../../src/engines/local/platform/clock.ts'

test('Node reads the clock of the kernel itself, to no margin', () => {
  assert.equal(readClock().marginNs, 0n)
})

test('comparisons with /proc/uptime have a moment in common, which is that of the kernel’s clock', () => {
  const clocks = Array.from({ length: 20 }, () => compareWithUptime()!)
  // The same in all of them: what this machine has been suspended.
  const atMost = clocks.map(({ aheadNs }) => aheadNs).reduce((one, two) => (one < two ? one : two))
  const atLeast = clocks
    .map(({ aheadNs, marginNs }) => aheadNs - marginNs)
    .reduce((one, two) => (one > two ? one : two))
  assert.ok(atLeast <= atMost, `at least ${atLeast}, at most ${atMost}`)
  const suspendedNs = readClock().aheadNs - atMost
  assert.ok(suspendedNs > 1_000_000_000n || (atLeast <= readClock().aheadNs && readClock().aheadNs <= atMost))
})
