import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, isDenied, isUnanswered, toSlocketError } from '../../src/engines/redis/refusal.ts'
import { SlocketError } from '../../src/errors.ts'

const OOM = "OOM command not allowed when used memory > 'maxmemory'."

test('an error of the server is recognized by its first word, also from a script', () => {
  assert.equal(codeOf(new Error(OOM)), 'OOM')
  assert.equal(codeOf(new Error(`${OOM} script: 41aa, on @user_script:12.`)), 'OOM')
  // Redis 6.
  assert.equal(
    codeOf(new Error(`ERR Error running script (call to f_41aa): @user_script:12: @user_script: 12: -${OOM}`)),
    'OOM',
  )
  assert.equal(codeOf(new Error('NOSCRIPT No matching script. Please use EVAL.')), 'NOSCRIPT')
  assert.equal(codeOf(new Error('connect ECONNREFUSED 127.0.0.1:1')), undefined)
  assert.equal(codeOf(new Error('Socket closed unexpectedly')), undefined)
})

test('transient errors are retried, and so are requests without an answer', () => {
  for (const said of [
    'LOADING Redis is loading',
    "READONLY You can't write",
    'CLUSTERDOWN Hash slot',
    'Connection is closed.',
  ]) {
    assert.equal(isUnanswered(new Error(said)), true, said)
  }
  for (const error of [
    new Error(OOM),
    new Error('ERR unknown command'),
    new SlocketError('ERR_SLOCKET_SYSTEM', 'x'),
    new TypeError('x'),
  ]) {
    assert.equal(isUnanswered(error), false, error.message)
  }
})

test('an error has a code that callers can act on', () => {
  const expected = [
    [OOM, 'ERR_SLOCKET_RESOURCES'],
    ["NOPERM this user has no permissions to run the 'evalsha' command", 'ERR_SLOCKET_PERMISSION'],
    [
      "ERR The user executing the script can't run this command or subcommand script: 17, on @user_script:120.",
      'ERR_SLOCKET_PERMISSION',
    ],
    ['NOAUTH Authentication required.', 'ERR_SLOCKET_PERMISSION'],
    ['WRONGPASS invalid username-password pair', 'ERR_SLOCKET_PERMISSION'],
    ['MOVED 3999 127.0.0.1:6381', 'ERR_SLOCKET_SYSTEM'],
    ['ERR unknown command', 'ERR_SLOCKET_SYSTEM'],
  ] as const
  for (const [said, code] of expected) assert.equal(toSlocketError(new Error(said)).code, code, said)
  assert.equal(isDenied(new Error('NOPERM no')), true)
})
