// Replication is asynchronous: what a failover forgets, and what the option replicas does about it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createSentinel } from 'redis'
import { createSentinel as createSentinel5 } from 'redis-5'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { Servers } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'
import { CLIENTS } from './clients.ts'

const TTL_MS = 10_000

interface Pair {
  readonly servers: Servers
  readonly master: string
  readonly replica: string
  readonly onReplica: Admin
}

async function withPair(body: (pair: Pair) => Promise<void>): Promise<void> {
  await using servers = await Servers.start('redis-pair')
  const [master = '', replica = ''] = servers.addressOf('redis-pair').split(',')
  await using onReplica = new Admin(replica)
  await using onMaster = new Admin(master)
  // When the replica counts itself as connected, it may take a second longer until the master counts it.
  await until('the replica follows', async () => (await onMaster.ask('WAIT', '1', '100')) === 1)
  await body({ servers, master, replica, onReplica })
}

/** The replica hears nothing more of the master, and takes over. */
async function promote({ onReplica }: Pair): Promise<void> {
  await onReplica.ask('REPLICAOF', 'NO', 'ONE')
  await until('it is the master', async () => ((await onReplica.ask('ROLE')) as unknown[])[0] === 'master')
}

describe('a failover', { concurrency: true }, () => {
  test("that the old master does not know of: two hold, but the second one's token is larger", async () => {
    await withPair(async (pair) => {
      await promote(pair)
      const first = await slocket('lost', { engine: redis({ url: pair.master, ttl: TTL_MS }) })
      const second = await slocket('lost', { engine: redis({ url: pair.replica, ttl: TTL_MS }) })
      // This is what the engine can't prevent.
      assert.equal(first.held, true)
      assert.equal(second.held, true)
      assert.ok(second.token > first.token)
      await first.release()
      await second.release()
    })
  })

  test('after a grant that the new master does not have, though it has the ticket: the lock is lost', async () => {
    await withPair(async (pair) => {
      await using proxy = await TcpProxy.open(pair.master)
      const first = await slocket('forgotten', { engine: redis({ url: pair.master, ttl: TTL_MS }) })
      const asked = slocket('forgotten', { engine: redis({ url: `redis://${proxy.address}`, ttl: TTL_MS }) })
      const [queue = '', leases = ''] = keysOf('slocket', 'forgotten')
      await until('the replica has both tickets', async () => (await pair.onReplica.ask('ZCARD', queue)) === 2)
      await promote(pair)
      await first.release()
      const second = await asked
      proxy.target = pair.replica
      proxy.break()
      // Long before its lease ends there.
      await until('it is lost', () => !second.held)
      assert.match(String(second.signal.reason), /is lost: .* another server has taken over/)
      // Its ticket is removed before its lease is over there.
      const [id = ''] = (await pair.onReplica.ask('ZRANGE', queue, '-1', '-1')) as string[]
      await pair.onReplica.ask('ZADD', leases, 'XX', String(Date.now() + 600_000), id.slice(0, id.indexOf('.')))
      await until('it is not there', async () => (await pair.onReplica.ask('ZSCORE', queue, id)) === null)
    })
  })

  test('after a grant that a replica has: nobody else gets the lock on the new master', async () => {
    await withPair(async (pair) => {
      const first = await slocket('kept', { engine: redis({ url: pair.master, ttl: TTL_MS, replicas: 1 }) })
      await pair.servers.signal('redis-master', 'SIGSTOP')
      await promote(pair)
      assert.equal(await slocket.try('kept', { engine: redis({ url: pair.replica, ttl: TTL_MS }) }), null)
      assert.equal(first.held, true)
    })
  })

  test('without a replica: with the option replicas, nobody gets the lock, and nothing stays in the queue', async () => {
    await withPair(async (pair) => {
      const engine = redis({ url: pair.master, ttl: TTL_MS, replicas: 1 })
      await pair.servers.signal('redis-replica', 'SIGSTOP')
      for (const ask of [slocket, slocket.try]) {
        await assert.rejects(ask('alone', { engine }), { code: 'ERR_SLOCKET_RESOURCES', message: /0 replicas have it/ })
      }
      await until('nobody is in the queue', async () => {
        const { held, pending } = await slocket.query('alone', { engine })
        return held.length + pending.length === 0
      })
      await pair.servers.signal('redis-replica', 'SIGCONT')
      await until('it can be had', async () => {
        const lock = await slocket('alone', { engine }).catch(() => undefined)
        await lock?.release()
        return lock !== undefined
      })
    })
  })

  test('without a replica, with each kind of client: nobody gets the lock', async () => {
    await withPair(async ({ master, servers }) => {
      const clients = await Promise.all(
        Object.entries(CLIENTS).map(async ([by, open]) => ({ by, ...(await open(master)) })),
      )
      const engines = clients.map(({ by, client }) => ({ by, engine: redis({ client, ttl: TTL_MS, replicas: 1 }) }))
      for (const { by, engine } of engines) await (await slocket(by, { engine })).release()
      await servers.signal('redis-replica', 'SIGSTOP')
      for (const { by, engine } of engines) {
        await assert.rejects(slocket(by, { engine }), { code: 'ERR_SLOCKET_RESOURCES', message: /0 replicas have it/ })
      }
      for (const client of clients) client.close()
    })
  })

  test('while the replica is away, a lock is still renewed, however many requests fail', async () => {
    await withPair(async ({ master, servers }) => {
      // The engine replaces a client of its own if that doesn't answer.
      const { client, close } = await CLIENTS['redis 6']!(master)
      const engine = redis({ client, ttl: 6000, replicas: 1 })
      const held = await slocket('held', { engine })
      await servers.signal('redis-replica', 'SIGSTOP')
      // All at once: each would wait for its replicas for half a second.
      const asked = Array.from({ length: 20 }, async (_, index) => {
        await assert.rejects(slocket(`asked-${index}`, { engine, timeout: 3000 }), {
          code: /^ERR_SLOCKET_(RESOURCES|TIMEOUT)$/,
        })
      })
      await Promise.all(asked)
      await sleep(6000)
      assert.equal(held.held, true)
      await held.release()
      close()
    })
  })

  test('a process stays alive until the replicas are counted', async () => {
    await withPair(async ({ master }) => {
      const program = `
        import { slocket } from ${JSON.stringify(new URL('../../../src/index.js', import.meta.url).href)}
        import { redis } from ${JSON.stringify(new URL('../../../src/engines/redis/index.js', import.meta.url).href)}
        async function main() {
          const lock = await slocket('alone', { engine: redis({ url: ${JSON.stringify(master)}, replicas: 1 }) })
          await lock.release()
          console.log('released')
        }
        main()`
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
      assert.equal(stdout, 'released\n')
    })
  })

  test('a grant after a wait is confirmed, too', async () => {
    await withPair(async (pair) => {
      const [one, other] = [1, 2].map(() => redis({ url: pair.master, ttl: TTL_MS, replicas: 1 }))
      const first = await slocket('in turn', { engine: one! })
      // From the start: it may be refused before the release has its answer.
      const refused = assert.rejects(slocket('in turn', { engine: other! }), { code: 'ERR_SLOCKET_RESOURCES' })
      await until('it waits', async () => (await slocket.query('in turn', { engine: one! })).pending.length === 1)
      await pair.servers.signal('redis-replica', 'SIGSTOP')
      await first.release()
      await refused
    })
  })

  for (const [version, create] of [
    [5, createSentinel5 as unknown as typeof createSentinel],
    [6, createSentinel],
  ] as const) {
    test(`without a replica, with several connections for Sentinel of redis ${version}: nobody gets the lock`, async () => {
      await using servers = await Servers.start('redis-sentinel')
      const [sentinel = ''] = servers.addressOf('redis-sentinel').split(',')
      const { hostname: host, port } = new URL(sentinel)
      const client = create({ name: 'locks', sentinelRootNodes: [{ host, port: Number(port) }], masterPoolSize: 3 })
      client.on('error', () => {})
      await client.connect()
      const engine = redis({ client, ttl: TTL_MS, replicas: 1 })
      await until('the replica follows', async () => {
        const lock = await slocket('warm', { engine }).catch(() => undefined)
        await lock?.release()
        return lock !== undefined
      })
      // The engine closes what it has opened. The next command that it sends may go over another connection than the last one.
      await sleep(1500)
      await servers.signal('redis-watched-2', 'SIGSTOP')
      for (const name of ['a', 'b', 'c', 'd']) {
        await assert.rejects(slocket(name, { engine }), {
          code: 'ERR_SLOCKET_RESOURCES',
          message: /0 replicas have it/,
        })
      }
      await servers.signal('redis-watched-2', 'SIGCONT')
      await client.destroy()
    })
  }
})
