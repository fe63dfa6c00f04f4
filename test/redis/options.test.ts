import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { Cluster, Redis } from 'ioredis'
import { createClient, createClientPool, createCluster } from 'redis'
import { createClient as createClient4 } from 'redis-4'
import { redis } from '../../src/engines/redis/index.ts'
import type { RedisOptions } from '../../src/engines/redis/index.ts'

const client = createClient()
const url = 'redis://127.0.0.1:1'

function refuses(options: unknown, expected: { readonly name: string; readonly message: RegExp }): void {
  assert.throws(() => redis(options as RedisOptions), expected)
}

test('clients of all kinds are accepted, and so is a URL', () => {
  for (const accepted of [client, createCluster({ rootNodes: [] }), new Redis({ lazyConnect: true })]) {
    assert.equal(redis({ client: accepted }).name, 'redis')
  }
  const cluster = new Cluster([], { lazyConnect: true })
  assert.equal(redis({ client: cluster }).name, 'redis')
  assert.equal(redis({ url: 'rediss://user:word@127.0.0.1:1/3' }).name, 'redis')
})

test('wrong options throw synchronously', () => {
  const TypeErrorWith = (message: RegExp): { name: string; message: RegExp } => ({ name: 'TypeError', message })
  for (const options of [undefined, null, 'redis://h', [], client]) refuses(options, TypeErrorWith(/must be an object/))
  refuses({}, TypeErrorWith(/either client or url/))
  refuses({ client, url }, TypeErrorWith(/either client or url/))
  for (const wrong of [5, 'redis://h', {}, createClientPool()])
    refuses({ client: wrong }, TypeErrorWith(/options.client/))
  refuses({ client: new Redis({ lazyConnect: true, keyPrefix: 'a' }) }, TypeErrorWith(/options.namespace/))
  refuses({ client: createClient4({ legacyMode: true }) }, TypeErrorWith(/legacyMode/))
  for (const wrong of [5, 'http://h', 'h:6379', 'redis://h:port']) refuses({ url: wrong }, TypeErrorWith(/options.url/))
  for (const namespace of ['', 'a{b', 'a\n', 5]) refuses({ url, namespace }, TypeErrorWith(/options.namespace/))
  refuses({ url, ttl: '5' }, TypeErrorWith(/options.ttl/))
  for (const ttl of [1999, 86_400_001, 2500.5, NaN])
    refuses({ url, ttl }, { name: 'RangeError', message: /options.ttl/ })
  for (const replicas of [-1, 101]) refuses({ url, replicas }, { name: 'RangeError', message: /options.replicas/ })
})

test('an unknown option is an error with a hint', () => {
  refuses({ host: 'h' }, { name: 'TypeError', message: /'host'.*client/ })
  refuses({ url, keyPrefix: 'x' }, { name: 'TypeError', message: /'namespace'/ })
  refuses({ url, tll: 5000 }, { name: 'TypeError', message: /did you mean 'ttl'/ })
})

test('errors contain no password', () => {
  for (const options of [
    { url: 'http://u:SECRET@h' },
    { url: 'redis://u:SECRET@h:port' },
    { url: 'redis://:SECRET@h', tll: 5 },
  ]) {
    assert.throws(
      () => redis(options),
      (error) => !inspect(error, { depth: Infinity, showHidden: true }).includes('SECRET'),
    )
  }
})
