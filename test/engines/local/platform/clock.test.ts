import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareWithUptime, readClock } from '../../../../src/engines/local/platform/clock.ts'

test("Node reads the kernel's clock exactly", () => {
  assert.equal(readClock().marginNs, 0n)
})

test("a comparison with /proc/uptime happens at one moment of the kernel's clock", () => {
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
