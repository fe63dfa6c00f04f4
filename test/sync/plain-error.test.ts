/** Errors on their way from the thread that waits for `slocket.sync`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromPlain, toPlain } from '../../src/sync/plain-error.ts'

test('wrong arguments that only the engine detects keep their error', () => {
  for (const Kind of [TypeError, RangeError, Error]) {
    const error = fromPlain(structuredClone(toPlain(new Kind('no', { cause: new RangeError('too many') }))))
    assert.equal(error.constructor, Kind)
    assert.equal(error.message, 'no')
    assert.ok(error.cause instanceof RangeError)
  }
})
