// Notifications are hints: without them everything still happens, a third of a lease later, or ten seconds.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { createClient as createClient4 } from 'redis-4'
import { redis } from '../../../src/engines/redis/index.ts'
import type { RedisClient } from '../../../src/engines/redis/index.ts'
import type { Engine } from '../../../src/index.ts'
import { LockManager, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin, LONG_TTL_MS } from '../helpers/redis-arena.ts'
import { addressOf, Servers } from '../helpers/servers.ts'

const url = addressOf('redis')
const namespace = `deaf-${randomBytes(6).toString('hex')}`

test('a client without notifications gets the lock in its turn, and notices that its lock was stolen', async () => {
  await using elsewhere = await Servers.start('redis')
  const client = new Redis(url)
  // Nobody publishes there.
  client.duplicate = () => new Redis(elsewhere.addressOf('redis'), { lazyConnect: true })
  const deaf: Engine = redis({ client, namespace, ttl: 2000 })
  const hearing = redis({ url, namespace, ttl: 2000 })
  const first = await slocket('turns', { engine: hearing })
  const waiting = slocket('turns', { engine: deaf })
  await until('it waits', async () => (await slocket.query('turns', { engine: hearing })).pending.length === 1)
  await first.release()
  const second = await waiting
  assert.equal(second.held, true)
  await new LockManager({ engine: hearing }).request('turns', { steal: true }, () => undefined)
  await until('it is told', () => !second.held)
  assert.equal(second.signal.aborted, true)
  client.disconnect()
})

test('this holds with a lease of a day, too', async () => {
  const client = new Redis(url)
  client.duplicate = () => new Redis({ port: 1, lazyConnect: true, retryStrategy: () => null })
  const deaf = redis({ client, namespace, ttl: 86_400_000 })
  const hearing = redis({ url, namespace, ttl: 86_400_000 })
  const first = await slocket('days', { engine: hearing })
  const waiting = slocket('days', { engine: deaf })
  await until('it waits', async () => (await slocket.query('days', { engine: hearing })).pending.length === 1)
  await first.release()
  await (await waiting).release()
  client.disconnect()
})

test('a client that could not subscribe subscribes again', async () => {
  const apart = `${namespace}-again`
  await using admin = new Admin(url)
  const client = new Redis(url)
  client.on('error', () => {})
  let duplicates = 0
  client.duplicate = () => {
    duplicates += 1
    // The first one never connects: nothing listens at port 1.
    const options = { lazyConnect: true, retryStrategy: () => null }
    return duplicates === 1 ? new Redis({ port: 1, ...options }) : new Redis(url, options)
  }
  const lock = await slocket('subscribes', { engine: redis({ client, namespace: apart, ttl: 2000 }) })
  await until('it hears', async () => {
    return ((await admin.ask('PUBSUB', 'CHANNELS', `${apart}:wake:*`)) as unknown[]).length > 0
  })
  assert.ok(duplicates > 1)
  await lock.release()
  client.disconnect()
})

type Closing = RedisClient & { disconnect(): unknown }

const WITHOUT_RECONNECTION: Readonly<Record<string, (address: string) => Promise<Closing>>> = {
  'redis 6': async (address) =>
    await createClient({ url: address, socket: { reconnectStrategy: false } })
      .on('error', ignore)
      .connect(),
  'redis 4': async (address) => {
    const client = createClient4({ url: address, socket: { reconnectStrategy: false } })
    client.on('error', ignore)
    await client.connect()
    return client
  },
  'ioredis without retryStrategy': async (address) =>
    new Redis(address, { retryStrategy: () => null }).on('error', ignore),
  'ioredis without autoResubscribe': async (address) =>
    new Redis(address, { autoResubscribe: false }).on('error', ignore),
}

test('a client that is set not to connect or subscribe again subscribes again', async (t) => {
  await using servers = await Servers.start('redis')
  const apart = servers.addressOf('redis')
  await using admin = new Admin(apart)
  for (const [by, open] of Object.entries(WITHOUT_RECONNECTION)) {
    await t.test(by, async () => {
      const client = await open(apart)
      const isHearing = async (): Promise<boolean> =>
        ((await admin.ask('PUBSUB', 'CHANNELS', `${by}:wake:*`)) as unknown[]).length > 0
      const lock = await slocket('ended', { engine: redis({ client, namespace: by, ttl: LONG_TTL_MS }) })
      await until('it hears', isHearing)
      await admin.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
      assert.equal(await isHearing(), false)
      await until('it hears again', isHearing)
      assert.equal(lock.held, true)
      await lock.release()
      client.disconnect()
    })
  }
})

function ignore(): void {}
