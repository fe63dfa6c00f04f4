import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { toServerError } from '../../src/engines/postgres/server-error.ts'
import { isSlocketError } from '../../src/index.ts'

test('a network error from another realm, as in Jest, is ERR_SLOCKET_UNREACHABLE', () => {
  const refused = runInNewContext("Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })") as unknown
  assert.ok(!(refused instanceof Error))
  const error = toServerError(refused, 'connect')
  assert.ok(isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'))
  assert.equal(error.cause, refused)
})

test('errors for several addresses, from another realm, are all in the message', () => {
  const refused = runInNewContext(
    "Object.assign(new AggregateError([new Error('first'), new Error('second')]), { code: 'ECONNREFUSED' })",
  ) as unknown
  assert.equal(toServerError(refused, 'connect').message, 'cannot connect: first; second')
})
