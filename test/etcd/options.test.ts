import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { etcd } from '../../src/engines/etcd/index.ts'
import { parseEtcdOptions } from '../../src/engines/etcd/options.ts'

describe('options of etcd', () => {
  test('endpoints with and without a scheme, and a port', () => {
    const addresses = (endpoints: string | string[]): readonly string[] => parseEtcdOptions({ endpoints }).addresses
    assert.deepEqual(addresses('http://10.0.0.1:80'), ['10.0.0.1:80'])
    assert.deepEqual(addresses(['etcd-1', 'http://etcd-2:1', 'http://etcd-3/']), [
      'etcd-1:2379',
      'etcd-2:1',
      'etcd-3:2379',
    ])
    assert.deepEqual(addresses('http://[::1]:2379'), ['[::1]:2379'])
  })

  test('https means TLS, and so do certificates', () => {
    assert.equal(parseEtcdOptions({ endpoints: 'http://a' }).tls, undefined)
    assert.deepEqual(parseEtcdOptions({ endpoints: 'https://a' }).tls, {})
    assert.deepEqual(parseEtcdOptions({ endpoints: 'a', tls: { ca: 'pem' } }).tls, { ca: Buffer.from('pem') })
  })

  test('defaults', () => {
    const { namespace, ttlSeconds, credentials } = parseEtcdOptions({ endpoints: 'a' })
    assert.deepEqual([namespace, ttlSeconds, credentials], ['slocket', 10, undefined])
  })

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /options must be an object/],
    [{}, /endpoint must be a string/],
    [{ endpoints: [] }, /at least one/],
    [{ endpoints: 'ftp://a' }, /must be like/],
    [{ endpoints: 'http://a/path' }, /must be like/],
    [{ endpoints: 'http://user:secret@a' }, /must be like/],
    [{ endpoints: '' }, /must be like/],
    [{ endpoints: ['http://a', 'https://b'] }, /all https/],
    [{ endpoints: 'http://a', tls: {} }, /all https/],
    [{ endpoints: 'a', namespace: '' }, /namespace/],
    [{ endpoints: 'a', namespace: 'a/' }, /namespace/],
    [{ endpoints: 'a', namespace: 1 }, /namespace must be a string/],
    [{ endpoints: 'a', ttl: '10' }, /ttl must be a number/],
    [{ endpoints: 'a', credentials: { username: 'a' } }, /password/],
    [{ endpoints: 'a', tls: { cert: 'pem' } }, /go together/],
    [{ endpoints: 'a', tls: { ca: 1 } }, /tls\.ca/],
    [{ endpoints: 'a', tsl: {} }, /options\.tsl is not known/],
  ]
  for (const [options, message] of wrong) {
    test(`a TypeError that says what is wrong: ${JSON.stringify(options)}`, () => {
      assert.throws(() => etcd(options as never), { name: 'TypeError', message })
    })
  }

  for (const ttl of [0, 4, 5.5, 86_401, Infinity, NaN]) {
    test(`a RangeError for a ttl of ${ttl}`, () => {
      assert.throws(() => etcd({ endpoints: 'a', ttl }), { name: 'RangeError', message: /from 5 to 86400/ })
    })
  }
})
