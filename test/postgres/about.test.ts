import assert from 'node:assert/strict'
import { test } from 'node:test'
import { permitClaim } from '../../src/core/claim.ts'
import { describeSession, parseSession } from '../../src/engines/postgres/about.ts'
import { keyOf } from '../../src/engines/postgres/key.ts'

const plain = {
  name: 'deploy',
  label: 'nightly',
  pid: 4711,
  command: 'node build.js',
  heldMs: 4711,
  waitedMs: undefined,
  claim: undefined,
}

test("a session's description can be parsed, whatever it contains, and ends no comment", () => {
  for (const label of [
    'nightly',
    '*/ DROP TABLE users; /*',
    'ü \u{1f512} \ud800',
    '\0\n\r\u2028',
    '/*slocket',
    undefined,
  ]) {
    const text = describeSession({ ...plain, label })
    assert.equal(/^\/\*slocket [\u0020-\u007e]*\*\/$/.test(text), true, text)
    assert.equal(text.slice(2, -2).includes('/'), false, text)
    assert.deepEqual(parseSession(`${text} SELECT 1`), { ...plain, label })
  }
})

test('for permits, it contains how many, and since when it is the next one', () => {
  const waiting = { ...plain, heldMs: undefined, waitedMs: 12, claim: permitClaim(5, 3) }
  assert.deepEqual(parseSession(describeSession(waiting)), waiting)
  assert.equal(parseSession('/*slocket {"pid":1,"permits":"p3.5"}*/')!.claim, undefined)
})

test('what is too long is omitted, the command and the name first', () => {
  const long = describeSession({ ...plain, name: 'n'.repeat(5000), command: 'c'.repeat(5000) })
  assert.ok(long.length < 1000)
  assert.equal(parseSession(long)!.label, 'nightly')
  const wide = describeSession({ ...plain, label: '\u{1f512}'.repeat(100) })
  assert.ok(wide.length < 1000)
  assert.equal(parseSession(wide)!.pid, 4711)
})

test("other programs' descriptions are not trusted", () => {
  for (const text of [
    null,
    '',
    'SELECT 1',
    '/*slocket {}*/',
    '/*slocket {"pid":-1}*/',
    '/*slocket {"pid":1',
    '/*slocket x*/',
    '/*slocket null*/',
  ])
    assert.equal(parseSession(text), undefined, String(text))
})

test('the key is the beginning of SHA-256 of the namespace and the name', () => {
  // printf 'slocket\ndeploy' | sha256sum
  assert.equal(keyOf('slocket', 'deploy'), BigInt.asIntN(64, 0xd41877e7cfce0068n))
  assert.notEqual(keyOf('a', 'b'), keyOf('a', 'b '))
})

test('names with lone surrogates are distinct locks, and none is the lock of a well-formed name', () => {
  const names = ['a\ud800', 'a\ud801', 'a\udc00', 'a\ufffd', 'a\ufffd\ufffd', '\ud800a', '\udc00\ud800', '\ud800\udc00']
  assert.equal(new Set(names.map((name) => keyOf('slocket', name))).size, names.length)
  assert.equal(new Set(names.map((name) => keyOf(name, 'a'))).size, names.length)
})
