import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { permitClaim } from '../../src/core/claim.ts'
import {
  decodeName,
  encodeName,
  formatClaim,
  keysOf,
  nameOf,
  parseClaim,
  queuesPattern,
} from '../../src/engines/redis/names.ts'

const anyName = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\ud800', '}', '{a}', '=', '%'),
)

test('each name can be parsed from its keys, and no two names share a key', () => {
  fc.assert(
    fc.property(anyName, anyName, (name, other) => {
      const [queue] = keysOf('ns', name)
      assert.equal(nameOf('ns', queue!), name)
      assert.equal(queue === keysOf('ns', other)[0], name === other)
    }),
  )
})

test('all keys of a lock have one hash tag, which is not empty and contains only the name', () => {
  fc.assert(
    fc.property(anyName, (name) => {
      for (const key of keysOf('ns', name)) {
        const tag = key.slice(key.indexOf('{') + 1, key.indexOf('}'))
        assert.equal(tag, encodeName(name))
        assert.notEqual(tag, '')
        assert.equal(decodeName(tag), name)
      }
    }),
  )
})

test("other programs' keys are not queues", () => {
  for (const key of ['ns:{a}:held', 'other:{a}:queue', 'ns:a:queue', 'ns:{%}:queue'])
    assert.equal(nameOf('ns', key), undefined, key)
})

test('a namespace is matched literally in the pattern of all queues', () => {
  assert.equal(queuesPattern('a*[b]?'), String.raw`a\*\[b\]\?:{*}:queue`)
})

test('each claim can be parsed from its letter', () => {
  for (const claim of [
    { kind: 'exclusive' },
    { kind: 'shared' },
    permitClaim(1),
    permitClaim(1_000_000),
    permitClaim(10, 3),
  ] as const) {
    assert.deepEqual(parseClaim(formatClaim(claim)), claim)
  }
})
