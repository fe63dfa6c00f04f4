import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkKnownOptions } from '../../src/requests/known-options.ts'

const KNOWN: ReadonlySet<string> = new Set(['timeout', 'signal', 'connectionString'])

function messageFor(options: object): string {
  try {
    checkKnownOptions(options, KNOWN, 'here()', { pool: 'pass the settings of the pool' })
  } catch (error) {
    assert.ok(error instanceof TypeError)
    return error.message
  }
  return 'none'
}

test('known options pass, also with an undefined value', () => {
  assert.equal(messageFor({}), 'none')
  assert.equal(messageFor({ timeout: undefined, signal: 1 }), 'none')
})

test('an unknown option is named, with the nearest known one', () => {
  assert.equal(messageFor({ timout: 1 }), "unknown option 'timout' of here(): did you mean 'timeout'?")
  assert.match(messageFor({ connectionstring: '' }), /did you mean 'connectionString'/)
  assert.match(messageFor({ signal: 1, timeOut: 2 }), /'timeOut'.*'timeout'/)
})

test('an unknown option similar to none lists all known ones', () => {
  assert.match(messageFor({ zzzzzzzz: 1 }), /known are timeout, signal, connectionString/)
})

test('an option of a similar function gets its own hint', () => {
  assert.equal(messageFor({ pool: {} }), "unknown option 'pool' of here(): pass the settings of the pool")
})

test('an option named like a property of every object is unknown', () => {
  assert.match(messageFor({ constructor: 1 }), /unknown option 'constructor'/)
  assert.match(messageFor(JSON.parse('{"__proto__": 1}') as object), /unknown option '__proto__'/)
})

test('a very long name does not fill the message', () => {
  assert.ok(messageFor({ ['x'.repeat(1e6)]: 1 }).length < 300)
})
