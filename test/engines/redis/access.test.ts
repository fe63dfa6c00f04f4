// TLS and users, on a server of this test's own.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { redis } from '../../../src/engines/redis/index.ts'
import { LockManager, slocket } from '../../../src/index.ts'
import type { Engine } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Servers } from '../helpers/servers.ts'

let servers: Servers
let url: URL
let ca: Buffer
const closing: (() => void)[] = []

before(async () => {
  servers = await Servers.start('redis-secure')
  url = new URL(servers.addressOf('redis-secure'))
  ca = fs.readFileSync(join(servers.directory, 'redis-secure/ca.pem'))
})
after(async () => {
  for (const close of closing) close()
  await servers.close()
})

async function byNodeRedis(username: string, password: string, namespace?: string): Promise<Engine> {
  const client = createClient({ url: url.href, username, password, socket: { tls: true, ca } })
  client.on('error', () => {})
  await client.connect()
  closing.push(() => client.destroy())
  return redis({ client, ...(namespace === undefined ? {} : { namespace }) })
}

function byIoRedis(username: string, password: string, namespace?: string): Engine {
  const client = new Redis(url.href, { username, password, tls: { ca } })
  client.on('error', () => {})
  closing.push(() => client.disconnect())
  return redis({ client, ...(namespace === undefined ? {} : { namespace }) })
}

describe('Redis with TLS and users', () => {
  test('a user with only the documented rights can use everything that locks offer', async () => {
    const [a, b] = [await byNodeRedis('locker', 'secret'), byIoRedis('locker', 'secret')]
    const held = await slocket('deploy', { engine: a })
    const waiting = slocket('deploy', { engine: b })
    await until('it waits', async () => (await slocket.query('deploy', { engine: a })).pending.length === 1)
    const manager = new LockManager({ engine: b })
    assert.deepEqual(
      (await manager.query()).pending?.map(({ name }) => name),
      ['deploy'],
    )
    await held.release()
    await (await waiting).release()
    await manager.request('deploy', { steal: true }, () => undefined)
  })

  for (const [kind, open] of [
    ['redis', byNodeRedis],
    ['ioredis', byIoRedis],
  ] as const) {
    test(`${kind}: a user without access to the namespace's keys gets an error that says so`, async () => {
      const engine = await open('locker', 'secret', 'other')
      await assert.rejects(slocket('deploy', { engine }), {
        code: 'ERR_SLOCKET_PERMISSION',
        message: /NOPERM.*namespace/,
      })
    })
  }

  test('a wrong password is reported as such, and not repeated', async () => {
    const engine = byIoRedis('locker', 'WRONG')
    await assert.rejects(slocket('deploy', { engine }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_SLOCKET_PERMISSION')
      assert.doesNotMatch(error.message, /WRONG[^P]/)
      return true
    })
  })
})
