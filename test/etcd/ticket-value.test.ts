import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { parseValue, toRequester } from '../../src/engines/ticket-value.ts'

test('a ticket with an unreadable value is shown without an invented process or time', () => {
  for (const value of [undefined, '', '[]', '{"pid":"1","since":"2026"}', '{"since":1e300}']) {
    const { pid, sinceMs } = toRequester(EXCLUSIVE, parseValue(value), 'me')
    assert.deepEqual([pid, sinceMs], [undefined, undefined], value)
  }
})
