// What slocket/redlock refuses, and how it reads settings: without a server. The rest: test/engines/redis/redlock.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RedisClient, Settings } from '../../src/compat/redlock.ts'
import { Lock, Redlock } from '../../src/compat/redlock.ts'
import { settingsOf, validMsOf, waitMsOf } from '../../src/compat/redlock-settings.ts'

/** A client that is never spoken with. */
function makeClient(): RedisClient {
  const never = (): never => {
    throw new Error('it was spoken with')
  }
  return Object.assign({ isOpen: true, connect: never, unsubscribe: never }, { sendCommand: never, subscribe: never })
}

const redlock = new Redlock([makeClient()])

test('exactly one client is allowed: there is no majority', () => {
  assert.throws(() => new Redlock([]), { name: 'TypeError', message: /takes one client.*not 0/ })
  assert.throws(() => new Redlock([makeClient(), makeClient(), makeClient()]), {
    name: 'TypeError',
    message: /takes one client.*not 3.*slocket\/etcd/,
  })
  assert.throws(() => new Redlock(makeClient() as unknown as RedisClient[]), /must be an array/)
  assert.throws(() => new Redlock([{} as RedisClient]), /must be a client of redis/)
  const client = makeClient()
  assert.equal(new Redlock([client, client]).clients.size, 1)
})

test('custom scripts and wrong settings of slocket are errors', () => {
  assert.throws(() => new Redlock([makeClient()], {}, { acquireScript: 'return 1' } as unknown as undefined), TypeError)
  assert.throws(() => new Redlock([makeClient()], { replicas: -1 }), RangeError)
  assert.throws(() => new Redlock([makeClient()], { namespace: 'a{b' }), TypeError)
  assert.throws(() => new Redlock([makeClient()], null as unknown as undefined), TypeError)
})

test('wrong arguments are errors', async () => {
  for (const resources of ['a', [], [1], undefined])
    await assert.rejects(redlock.acquire(resources as unknown as string[], 1000), {
      name: 'TypeError',
      message: /resources/,
    })
  for (const duration of [0, -1, 0.5, Infinity, NaN])
    await assert.rejects(redlock.acquire(['a'], duration), { name: 'RangeError', message: /duration/ })
  await assert.rejects(redlock.acquire(['a'], '1000' as unknown as number), { name: 'TypeError', message: /duration/ })
  await assert.rejects(redlock.acquire(['a'], 1000, { retryCount: -2 }), { name: 'RangeError', message: /retryCount/ })
  await assert.rejects(redlock.using(['a'], 1000, {}), { name: 'TypeError', message: /routine/ })
  const foreign = new Lock(redlock, ['a'], 'value', [], 0)
  await assert.rejects(foreign.release(), { name: 'TypeError', message: /must be a lock of slocket/ })
  await assert.rejects(foreign.extend(1000), { name: 'TypeError', message: /must be a lock of slocket/ })
})

test('a setting of another type counts as the default, as in redlock, and unknown settings are ignored', () => {
  const settings = { retryCount: '3', retryDelay: 50, other: true } as unknown as Partial<Settings>
  const { retryCount, retryDelay, driftFactor } = new Redlock([makeClient()], settings).settings
  assert.deepEqual([retryCount, retryDelay, driftFactor], [10, 50, 0.01])
  assert.equal(settingsOf({ retryCount: 1 }, redlock.settings).retryDelay, 200)
})

test('retries limit the wait, and the drift shortens the validity', () => {
  const settings = settingsOf(undefined)
  assert.equal(waitMsOf(settings), 2000)
  assert.equal(waitMsOf({ ...settings, retryCount: 0 }), 0)
  assert.equal(waitMsOf({ ...settings, retryCount: 0, retryDelay: Infinity }), 0)
  assert.equal(waitMsOf({ ...settings, retryCount: -1 }), Infinity)
  assert.equal(waitMsOf({ ...settings, retryCount: 3, retryDelay: -1 }), 0)
  assert.equal(waitMsOf({ ...settings, retryCount: Number.MAX_SAFE_INTEGER }), Infinity)
  assert.equal(validMsOf(10_000, settings), 9898)
})
