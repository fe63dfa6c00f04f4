import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toSlocketError } from '../../../../src/engines/local/platform/system-error.ts'

/** What Node throws under its permission model. */
function denied(message: string, details: object): Error {
  return Object.assign(new Error(message), { code: 'ERR_ACCESS_DENIED', ...details })
}

test("an operation that Node always refuses is reported in Node's words, without a useless grant", () => {
  const message = 'fchmod API is disabled when Permission Model is enabled.'
  const error = toSlocketError(denied(message, { permission: '', resource: '' }), 'make a socket in', '/lock')
  assert.equal(error.code, 'ERR_SLOCKET_PERMISSION')
  assert.equal(
    error.message,
    `cannot make a socket in '/lock': Node's permission model refuses it: ${message} (ERR_ACCESS_DENIED)`,
  )
})

test('an operation that Node refuses until it is granted is reported with the option that grants it', () => {
  const message = 'Access to this API has been restricted.'
  const file = denied(message, { permission: 'FileSystemRead', resource: '/lock' })
  assert.match(
    toSlocketError(file, 'look at', '/lock').message,
    /refuses FileSystemRead of '\/lock'; give Node --allow/,
  )
  assert.match(toSlocketError(denied(message, {}), 'reach', '/lock').message, /give Node --allow-net/)
})
