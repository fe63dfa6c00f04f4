import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { etcd } from '../../src/engines/etcd/index.ts'
import { parseEtcdOptions } from '../../src/engines/etcd/options.ts'
import {
  CERTIFICATE_ONE,
  CERTIFICATE_TWO,
  CERTIFICATE_WEAK,
  ENCRYPTED_KEY,
  KEY_ONE,
  KEY_TWO,
  KEY_WEAK,
} from '../helpers/certificates.ts'

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
    const tls = { ca: CERTIFICATE_TWO, cert: Buffer.from(CERTIFICATE_ONE), key: KEY_ONE }
    assert.deepEqual(parseEtcdOptions({ endpoints: 'a', tls }).tls, {
      ca: Buffer.from(CERTIFICATE_TWO),
      cert: Buffer.from(CERTIFICATE_ONE),
      key: Buffer.from(KEY_ONE),
    })
  })

  test('certificates may have text around them, several may be in one file, and lines may end as on Windows', () => {
    const chain = `subject=one\n${CERTIFICATE_ONE}\n${CERTIFICATE_TWO}`.replaceAll('\n', '\r\n')
    parseEtcdOptions({ endpoints: 'a', tls: { ca: chain, cert: chain, key: `${CERTIFICATE_ONE}${KEY_ONE}` } })
  })

  test('defaults', () => {
    const { namespace, ttlMs, credentials } = parseEtcdOptions({ endpoints: 'a' })
    assert.deepEqual([namespace, ttlMs, credentials], ['slocket', 10_000, undefined])
  })

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [undefined, /options must be an object, not undefined/],
    [{}, /endpoints must be a string, not undefined/],
    [{ endpoints: [] }, /at least one/],
    [{ endpoints: 'ftp://a' }, /options\.endpoints must be like/],
    [{ endpoints: ['a', 'http://a/path'] }, /options\.endpoints\[1\] must be like/],
    [{ endpoints: 'a:1,b:2' }, /as an array/],
    [{ endpoints: '' }, /must be like/],
    [{ endpoints: ['a', 5] }, /endpoints\[1\] must be a string, not a value of type number/],
    [{ endpoints: ['http://a', 'https://b'] }, /all https/],
    [{ endpoints: 'http://a', tls: {} }, /all https/],
    [{ endpoints: 'a', namespace: '' }, /namespace/],
    [{ endpoints: 'a', namespace: 'a/' }, /namespace/],
    [{ endpoints: 'a', namespace: 1 }, /namespace must be a string/],
    [{ endpoints: 'a', ttl: '10' }, /ttl must be a number \(ms\)/],
    [{ endpoints: 'a', credentials: { username: 'a' } }, /password/],
    [{ endpoints: 'a', tls: { ca: 1 } }, /tls\.ca must be a string or a Buffer/],
    [{ endpoints: 'a', tlsx: {} }, /^unknown option 'tlsx' of etcd\(\): did you mean 'tls'\?$/],
    [{ url: 'a' }, /unknown option 'url'.*'endpoints'/],
    [{ endpoints: 'a', user: 'a', password: 'b' }, /unknown option 'user'.*'credentials/],
    [{ endpoints: 'a', timeout: 5 }, /unknown option 'timeout'.*slocket\(name/],
    [{ endpoints: 'a', namespaces: 'b' }, /did you mean 'namespace'/],
    [{ endpoints: 'a', credentials: { user: 'a', password: 'b' } }, /'user' of options\.credentials.*'username'/],
    [{ endpoints: 'a', tls: { rejectUnauthorized: false } }, /'rejectUnauthorized' of options\.tls.*always verified/],
  ]
  for (const [options, message] of wrong) {
    test(`a TypeError that says what is wrong: ${JSON.stringify(options)}`, () => {
      assert.throws(() => etcd(options as never), { name: 'TypeError', message })
    })
  }

  for (const ttl of [0, 5, 10, 600, 999, 4999.9, 86_400_001, Infinity, NaN]) {
    test(`a RangeError for a ttl of ${ttl}, which is in milliseconds`, () => {
      const message = /ttl is in milliseconds: it must be from 5000 to 86400000/
      assert.throws(() => etcd({ endpoints: 'a', ttl }), { name: 'RangeError', message })
    })
  }
})

describe('certificates and keys of etcd', () => {
  const pair = { cert: CERTIFICATE_ONE, key: KEY_ONE }
  const garbled = CERTIFICATE_ONE.replace(/\n.{10}/, '\nAAAAAAAAAA')
  const wrong: readonly (readonly [what: string, tls: object, message: RegExp])[] = [
    ['ca is a path', { ca: '/etc/ssl/ca.pem' }, /options\.tls\.ca .*looks like a path/],
    ['ca is a path, as a Buffer', { ca: Buffer.from('ca.crt\n') }, /options\.tls\.ca .*looks like a path/],
    ['cert is a path', { ...pair, cert: './client.pem' }, /options\.tls\.cert .*looks like a path/],
    ['key is a path', { ...pair, key: 'C:\\keys\\client.key' }, /options\.tls\.key .*looks like a path/],
    ['ca is empty', { ca: '' }, /options\.tls\.ca must be a certificate as PEM/],
    ['ca is something else', { ca: Buffer.from([48, 130, 1, 1]) }, /options\.tls\.ca must be a certificate as PEM/],
    ['ca is cut off', { ca: CERTIFICATE_ONE.slice(0, -30) }, /options\.tls\.ca must be a certificate/],
    ['the second ca is cut off', { ca: CERTIFICATE_ONE + CERTIFICATE_TWO.slice(0, 99) }, /options\.tls\.ca must be/],
    ['ca is garbled', { ca: garbled }, /options\.tls\.ca has a certificate that cannot be read/],
    ['ca is a key', { ca: KEY_ONE }, /options\.tls\.ca must be a certificate as PEM; it has a PRIVATE KEY/],
    ['cert and key are swapped', { cert: KEY_ONE, key: CERTIFICATE_ONE }, /options\.tls\.cert must be a certificate/],
    ['cert without key', { cert: CERTIFICATE_ONE }, /options\.tls\.cert needs options\.tls\.key/],
    ['key without cert', { key: KEY_ONE }, /options\.tls\.key needs options\.tls\.cert/],
    ['the key of another certificate', { ...pair, key: KEY_TWO }, /options\.tls\.key is not the key of/],
    ['an encrypted key', { ...pair, key: ENCRYPTED_KEY }, /options\.tls\.key is encrypted/],
    ['a garbled key', { ...pair, key: KEY_ONE.replace(/\n.{10}/, '\nAAAAAAAAAA') }, /options\.tls\.key cannot be read/],
    ['a key that is too short', { cert: CERTIFICATE_WEAK, key: KEY_WEAK }, /options\.tls cannot be used: /],
  ]
  for (const [what, tls, message] of wrong) {
    test(`are rejected when the engine is made: ${what}`, () => {
      assert.throws(() => etcd({ endpoints: 'https://a', tls }), { name: 'TypeError', message })
    })
  }
})

describe('a secret that is given to etcd()', () => {
  const secrets: readonly (readonly [what: string, options: unknown])[] = [
    ['in an endpoint', { endpoints: ['http://a', 'http://locker:SECRET@b:2379'] }],
    ['in an endpoint without a scheme', { endpoints: 'locker:SECRET@b:2379' }],
    ['in an endpoint with another scheme', { endpoints: 'etcd://locker:SECRET@b:2379/ns' }],
    ['in an endpoint that is no URL', { endpoints: 'http://locker:SECRET/b' }],
    ['in the parameters of an endpoint', { endpoints: 'http://b:2379/?password=SECRET' }],
    ['in place of the options', 'http://locker:SECRET@b:2379'],
    ['in place of the credentials', { endpoints: 'a', credentials: 'locker:SECRET' }],
    ['in the credentials, under a wrong name', { endpoints: 'a', credentials: { username: 'a', pass: 'SECRET' } }],
    ['in the credentials, without a user', { endpoints: 'a', credentials: { password: 'SECRET' } }],
    ['among the options', { endpoints: 'a', password: 'SECRET' }],
    ['in place of TLS', { endpoints: 'a', tls: 'SECRET' }],
    ['in place of a key', { endpoints: 'a', tls: { cert: CERTIFICATE_ONE, key: 'SECRET' } }],
    ['in a key', { endpoints: 'a', tls: { ca: `-----BEGIN PRIVATE KEY-----\nSECRET` } }],
  ]
  for (const [what, options] of secrets) {
    test(`is not in an error: ${what}`, () => {
      assert.throws(
        () => etcd(options as never),
        (error: Error) => {
          assert.equal(error.name, 'TypeError')
          assert.doesNotMatch(inspect(error, { depth: Infinity, showHidden: true }), /SECRET/)
          assert.doesNotMatch(String(error.stack), /SECRET/)
          return true
        },
      )
    })
  }

  test('is not in what the engine shows', () => {
    const tls = { cert: CERTIFICATE_ONE, key: KEY_ONE }
    const engine = etcd({ endpoints: 'https://a', credentials: { username: 'a', password: 'SECRET' }, tls })
    const shown = inspect(engine, { depth: Infinity, showHidden: true }) + JSON.stringify(engine)
    assert.doesNotMatch(shown, /SECRET|PRIVATE/)
  })
})
