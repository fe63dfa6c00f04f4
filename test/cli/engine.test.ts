import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { openEngine, parseEtcdUrl, parseRedisUrl } from '../../src/cli/engine.ts'

describe('a wrong URL of --engine', () => {
  for (const url of [
    'mysql://u:SECRET@h/d',
    'u:SECRET@h',
    'etcd://u:SECRET@',
    'etcd://u:SECRET@h@i',
    'etcd://u:SEC/RET@h',
    'etcd://u:1234/SECRET@h',
    'etcd://u:SEC?RET@h',
    'etcd://u:1#SECRET@h',
    'etcd://SECRET@h',
    'etcd://u:SECRET%@h',
    'etcd://u:SECRET@h:port',
    'etcd://u:SECRET@h/ns?ttl=5000',
    'etcd://u:SECRET@h/ns/',
    'postgres://u:SEC#RET@h/d',
    'postgres://u:1#SECRET@h/d',
    'postgres://u:SECRET@h:port/d',
    'postgresql://u:SECRET@/?port=x\n',
    'redis://u:SEC#RET@h/0',
    'redis://u:SECRET@h:port/0',
    'redis://u:SECRET@h/0?ttl=5000',
    'rediss://u:SECRET@/0',
    'redis://u:SECRET@h/0?namespace={}',
  ]) {
    test(`is an error that hides the secret: ${url.replaceAll('\n', '\\n')}`, async () => {
      await assert.rejects(openEngine(url), (error: Error) => {
        assert.equal(error.name, 'UsageError')
        assert.match(error.message, /^--engine/)
        assert.doesNotMatch(inspect(error, { depth: Infinity, showHidden: true }), /SECRET|SEC.RET|RET@/)
        return true
      })
    })
  }
})

test('escaped characters in an etcd URL are decoded', () => {
  assert.deepEqual(parseEtcdUrl('etcd://u%40x:%2F%3F%23%25@h/n%2Fs'), {
    endpoints: ['http://h'],
    credentials: { username: 'u@x', password: '/?#%' },
    namespace: 'n/s',
  })
})

test('the namespace in a Redis URL goes to the engine, the rest to the client', () => {
  assert.deepEqual(parseRedisUrl('rediss://u:p%23@h:7000/3?namespace=n%2Fs'), {
    url: 'rediss://u:p%23@h:7000/3',
    namespace: 'n/s',
  })
  assert.deepEqual(parseRedisUrl('redis://h'), { url: 'redis://h' })
})
